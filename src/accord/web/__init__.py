"""What `accord serve` answers with: links of mails, webhooks of partners, and the reports of a workspace.

One file per page. Nothing is decided here: what a link or a webhook does, and whether it may, is asked of ``accord.work``.
"""

from accord.web.app import make_app
from accord.web.guard import Tries
from accord.web.renewable import Renewable
from accord.web.server import HOST, WebServer
from accord.web.site import Site, site_of

__all__ = ["HOST", "Renewable", "Site", "Tries", "WebServer", "make_app", "site_of"]
