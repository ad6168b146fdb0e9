"""What `accord serve` answers with: links of mails, webhooks of partners, and the reports of a workspace.

One file per page. Nothing is decided here: what a link or a webhook does, and whether it may, is asked of ``accord.work``.
"""

from accord.web.app import make_app
from accord.web.server import HOST, WebServer
from accord.web.site import Site, site_of

__all__ = ["HOST", "Site", "WebServer", "make_app", "site_of"]
