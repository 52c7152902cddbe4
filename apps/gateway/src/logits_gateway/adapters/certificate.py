"""The certificate room: the Gateway's TLS key and self-signed certificate, on its own volume.

Stock clients send their tokens over TLS only. They are given the certificate, which is published
beside the audit log's checkpoint.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from logits_core.errors import ErrorCode, LogitsError
from logits_shell.files import write_whole

LIFETIME = timedelta(days=3650)


@dataclass(frozen=True)
class Certificate:
    """What the Gateway shows to clients.

    Attributes:
        chain: the certificate, PEM.
        context: speaks TLS with it.
    """

    chain: str
    context: ssl.SSLContext

    @classmethod
    def kept(cls, directory: Path, namespace: str) -> Certificate:
        """The one in a directory; made at the first time.

        Args:
            directory: on the Gateway's volume.
            namespace: the release's, for the names in it.

        Raises:
            LogitsError: the files are damaged.
        """
        chain, key = directory / "tls.crt", directory / "tls.key"
        if not (chain.exists() and key.exists()):
            private = ec.generate_private_key(ec.SECP256R1())
            pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            write_whole(key, private.private_bytes(*pem))
            write_whole(chain, _self_signed(private, namespace).public_bytes(serialization.Encoding.PEM))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(chain, key)
        except ssl.SSLError:
            message = "tls.crt and tls.key are damaged; remove both, and the Gateway makes new ones"
            raise LogitsError(ErrorCode.INVALID, message, field=str(directory)) from None
        return cls(chain.read_text(), context)


def _self_signed(private: ec.EllipticCurvePrivateKey, namespace: str) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "logits-gateway")])
    service = f"logits-gateway.{namespace}"
    names: list[x509.GeneralName] = [
        x509.DNSName(found)
        for found in ("logits-gateway", service, f"{service}.svc", f"{service}.svc.cluster.local", "localhost")
    ]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
