"""TLS from a mounted certificate, which is read again when it changes, without dropping a connection."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apps.ingress_proxy.conftest import Start
from logits_core.errors import LogitsError
from logits_ingress_proxy.adapters.certificate import Certificate

pytestmark = pytest.mark.anyio


def issue(directory: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=36_500))
        .sign(key, hashes.SHA256())
    )
    chain, private = directory / "tls.crt", directory / "tls.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, private


def name_of(response: httpx.Response) -> str:
    stream = response.extensions["network_stream"]
    raw = stream.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(raw).subject.rfc4514_string()


async def test_a_changed_certificate_is_served_and_open_connections_stay(start: Start, tmp_path: Path) -> None:
    chain, key = issue(tmp_path, "old")
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    async with start(tls_certificate_file=chain, tls_key_file=key) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url, verify=trusting) as early:
            assert name_of(await early.get("/")) == "CN=old"
            certificate = ingress.app.certificate
            assert certificate is not None
            assert certificate.refresh() is False
            issue(tmp_path, "new")
            assert certificate.refresh() is True
            async with httpx.AsyncClient(base_url=ingress.url, verify=trusting) as late:
                assert name_of(await late.get("/")) == "CN=new"
            assert name_of(await early.get("/")) == "CN=old"
            chain.write_bytes(b"half a certificate")
            with pytest.raises(OSError, match=r".*"):
                certificate.refresh()
            async with httpx.AsyncClient(base_url=ingress.url, verify=trusting) as later:
                response = await later.get("/")
                assert (name_of(response), response.text) == ("CN=new", "console")
        assert b"x-forwarded-proto: https\r\n" in ingress.console.visits[0].requests[0]


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    with pytest.raises(LogitsError, match="PEM"):
        Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
