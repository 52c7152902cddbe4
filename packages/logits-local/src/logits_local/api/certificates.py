"""The cluster's own certificate authority and the API server's certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import trustme

from logits_local.files import write_private

_NAMES = ("127.0.0.1", "localhost", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
_EXPIRY = datetime(2038, 1, 1, tzinfo=UTC)
"""Also that of the authority itself."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the certificates lie (PEM).

    Attributes:
        authority: certificate that clients trust.
        certificate: the server's certificate.
        key: the server's private key.
    """

    authority: Path
    certificate: Path
    key: Path


def ensure_certificates(directory: Path) -> Certificates:
    """The certificates in a directory; made when any is missing."""
    found = Certificates(directory / "ca.crt", directory / "server.crt", directory / "server.key")
    if not all(path.exists() for path in (found.authority, found.certificate, found.key)):
        authority = trustme.CA(organization_name="logits-local")
        server = authority.issue_cert(*_NAMES, organization_name="logits-local", not_after=_EXPIRY)
        write_private(found.key, server.private_key_pem.bytes())
        write_private(found.certificate, server.cert_chain_pems[0].bytes())
        write_private(found.authority, authority.cert_pem.bytes())
    return found
