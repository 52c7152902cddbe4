"""The TLS certificate: read from its files, and read again when they change."""

from __future__ import annotations

import ssl
from pathlib import Path

import anyio

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.log import Logger

CHECK_SECONDS = 10.0


class Certificate:
    """A server's TLS context whose certificate follows its files.

    New connections get the new certificate; those that are open keep theirs. Files that don't fit each other,
    as in the middle of a change, leave the certificate in force as it is.

    Args:
        chain: Certificate chain, PEM.
        key: Private key, PEM.

    Raises:
        LogitsError: INVALID, the files can't be used.
    """

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain = chain
        self._key = key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        try:
            self._loaded = self._contents()
            self.context.load_cert_chain(chain, key)
        except (OSError, ssl.SSLError):
            raise LogitsError(
                ErrorCode.INVALID,
                f"{chain} and {key} must be a certificate chain and its private key, both in PEM",
                field="LOGITS_TLS_CERTIFICATE_FILE",
            ) from None

    def _contents(self) -> tuple[bytes, bytes]:
        return self._chain.read_bytes(), self._key.read_bytes()

    def refresh(self) -> bool:
        """Load the files if they have changed; returns whether they were loaded.

        Raises:
            OSError: they can't be read or don't fit each other (ssl.SSLError is one).
        """
        contents = self._contents()
        if contents == self._loaded:
            return False
        # A context whose key didn't fit would be left half changed, so another one tries first.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._chain, self._key)
        self.context.load_cert_chain(self._chain, self._key)
        self._loaded = contents
        return True

    async def follow(self, log: Logger) -> None:
        """Load the files whenever they change, for ever."""
        failing = False
        while True:
            await anyio.sleep(CHECK_SECONDS)
            try:
                if self.refresh():
                    log.info("the TLS certificate has changed and is in force")
                failing = False
            except OSError as error:
                if not failing:
                    log.warning(
                        "the TLS certificate's files can't be used, the old one stays: {error}", error=str(error)
                    )
                failing = True
