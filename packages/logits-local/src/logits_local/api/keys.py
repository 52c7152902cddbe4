"""The cluster's signing keys: ServiceAccount tokens, their public JWKS and their verification."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from logits_local.api.files import write_private

KEY_BITS = 2048


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class TokenKey:
    """The RSA key that signs ServiceAccount tokens (RS256).

    Args:
        path: PEM file; made when missing, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            made = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
            form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
            write_private(path, made.private_bytes(*form, serialization.NoEncryption()))
        loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
        self._private = cast(rsa.RSAPrivateKey, loaded)
        self._public = self._private.public_key()
        form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        self.key_id = _base64url(hashlib.sha256(self._public.public_bytes(*form)).digest())

    def sign(self, claims: dict[str, Any]) -> str:
        """A compact JWT of the claims."""
        header = {"alg": "RS256", "kid": self.key_id}
        parts = (_base64url(msgspec.json.encode(part)) for part in (header, claims))
        signed = ".".join(parts)
        signature = self._private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64url(signature)}"

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that this key signed, or None; expiry is the caller's to check."""
        signed, _, signature = token.rpartition(".")
        header, _, claims = signed.partition(".")
        try:
            if msgspec.json.decode(_from_base64url(header)).get("alg") != "RS256":
                return None
            self._public.verify(_from_base64url(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
            return msgspec.json.decode(_from_base64url(claims), type=dict[str, Any])
        except (ValueError, InvalidSignature, AttributeError):
            return None

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        numbers = self._public.public_numbers()
        modulus, exponent = (
            _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (numbers.n, numbers.e)
        )
        key = {"use": "sig", "kty": "RSA", "kid": self.key_id, "alg": "RS256", "n": modulus, "e": exponent}
        return {"keys": [key]}
