"""A mail server one hands messages to, over one connection for as long as it lasts."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from email.message import EmailMessage
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from accord.model.errors import TerminalError, TransientError, UsageError

_SECONDS = 30


class Post:
    """A mail server.

    Args:
        url: ``smtp://user:password@host:port`` or ``smtps://…``. With a user, ``smtp`` goes over to TLS first; certificates are checked.

    Raises:
        UsageError: it is no such address.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        try:
            self._port = self._url.port or 0
        except ValueError:
            self._port = -1
        if self._url.scheme not in ("smtp", "smtps") or not self._url.hostname or self._port < 0:
            raise UsageError(
                "no mail can be sent.", expected="Give --mail smtp://host:port and --sender address, or ACCORD_MAIL and ACCORD_SENDER."
            )
        self._connection: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def send(self, message: EmailMessage) -> None:
        """Hand one message over; on return the server has taken it.

        Raises:
            TransientError: the server does not answer, refuses the sender or the password, or says that it may take it later; nobody
                knows whether it took it.
            TerminalError: it refuses the message.
        """
        try:
            connection = self._connected()
        except (OSError, smtplib.SMTPException) as error:
            # Also a password that is refused: it is no fault of the message, which is sent once it is mended.
            raise TransientError(f"the mail server at {self._url.hostname} cannot be reached: {error}.") from error
        try:
            connection.send_message(message)
        except smtplib.SMTPSenderRefused as error:
            self._reset()
            raise TransientError(f"the mail server takes nothing from {error.sender}: {error.smtp_code} {error.smtp_error!r}.") from error
        except smtplib.SMTPRecipientsRefused as error:
            self._reset()
            codes = [code for code, _ in error.recipients.values()]
            said = f"the mail server refuses {', '.join(error.recipients)}."
            later = bool(codes) and max(codes) < 500
            raise (TransientError(said) if later else TerminalError(said, left="nothing was sent")) from error
        except smtplib.SMTPResponseException as error:
            self._reset()
            said = f"the mail server answered {error.smtp_code}: {error.smtp_error!r}."
            raise (TerminalError(said, left="it is not tried again") if error.smtp_code >= 500 else TransientError(said)) from error
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise TransientError(f"the mail server at {self._url.hostname} cannot be reached: {error}.") from error

    def close(self) -> None:
        """Let go of the connection; the next message opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                connection.quit()

    def _connected(self) -> smtplib.SMTP:
        if self._connection is None:
            host, secure = self._url.hostname or "", ssl.create_default_context()
            if self._url.scheme == "smtps":
                connection: smtplib.SMTP = smtplib.SMTP_SSL(host, self._port, timeout=_SECONDS, context=secure)
            else:
                connection = smtplib.SMTP(host, self._port, timeout=_SECONDS)
            try:
                if self._url.username:
                    if self._url.scheme == "smtp":
                        connection.starttls(context=secure)
                    connection.login(unquote(self._url.username), unquote(self._url.password or ""))
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _reset(self) -> None:
        """Whatever a refused message left behind must not touch the next one."""
        if self._connection is not None:
            try:
                self._connection.rset()
            except (OSError, smtplib.SMTPException):
                self.close()
