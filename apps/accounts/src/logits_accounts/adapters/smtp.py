"""Outgoing mail by SMTP, in a worker thread."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

import anyio.to_thread

from logits_accounts.tables import Mail
from logits_core.errors import ErrorCode, LogitsError

TIMEOUT_SECONDS = 30.0


class SmtpRelay:
    """A mail relay.

    Args:
        url: ``smtp://`` (upgraded by STARTTLS when there is a password) or ``smtps://``.
        sender: the From address.
        site: our public URL, which links begin with.
    """

    def __init__(self, url: str, sender: str, site: str) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._site = site.rstrip("/")

    async def send(self, mail: Mail) -> None:
        """Hand one mail to the relay.

        Raises:
            LogitsError: UPSTREAM_FAILED when it wasn't taken.
        """
        try:
            await anyio.to_thread.run_sync(self._send, self.message(mail))
        except (OSError, smtplib.SMTPException) as error:
            raise LogitsError(ErrorCode.UPSTREAM_FAILED, "the mail relay did not take the mail") from error

    def message(self, mail: Mail) -> EmailMessage:
        """The mail as it goes out."""
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.recipient
        message["Subject"] = mail.subject
        message["Message-ID"] = f"<{mail.id}@{parseaddr(self._sender)[1].rpartition('@')[2]}>"
        link = f"\n\n{self._site}{mail.link}" if mail.link else ""
        message.set_content(f"{mail.text}{link}\n")
        return message

    def _send(self, message: EmailMessage) -> None:
        host = self._url.hostname or "localhost"
        context = ssl.create_default_context()
        if self._url.scheme == "smtps":
            relay: smtplib.SMTP = smtplib.SMTP_SSL(
                host, self._url.port or 465, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            relay = smtplib.SMTP(host, self._url.port or 587, timeout=TIMEOUT_SECONDS)
        with relay:
            if self._url.username:
                if self._url.scheme == "smtp":
                    relay.starttls(context=context)
                relay.login(unquote(self._url.username), unquote(self._url.password or ""))
            relay.send_message(message)
