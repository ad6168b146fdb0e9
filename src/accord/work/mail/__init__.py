"""E-mail about tasks: who is written to, what it says, with signed one-time links and the due time as a calendar entry."""

from accord.work.mail.outbox import Mailbox
from accord.work.mail.smtp import Post

__all__ = ["Mailbox", "Post"]
