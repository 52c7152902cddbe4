"""The cluster's signing key: ServiceAccount tokens, their public JWKS and their verification."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from logits_local.files import write_private

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""Who issues tokens, and the audience of those that open this API."""

_ALGORITHM = "RS256"


class TokenKey:
    """The RSA key that signs ServiceAccount tokens.

    Args:
        path: PEM file; made when missing, readable by its owner only.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
            write_private(path, made.private_bytes(*form, serialization.NoEncryption()))
        loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
        self._private = cast(rsa.RSAPrivateKey, loaded)
        self._public = self._private.public_key()
        form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        self._id = hashlib.sha256(self._public.public_bytes(*form)).hexdigest()

    def sign(self, claims: dict[str, Any]) -> str:
        """A compact JWT of the claims."""
        return jwt.encode(claims, self._private, _ALGORITHM, headers={"kid": self._id})

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that this key signed for this API and that holds now, or None."""
        try:
            return jwt.decode(token, self._public, [_ALGORITHM], audience=ISSUER, issuer=ISSUER)
        except jwt.InvalidTokenError:
            return None

    def jwks(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        public = RSAAlgorithm.to_jwk(self._public, as_dict=True)
        return {"keys": [public | {"use": "sig", "alg": _ALGORITHM, "kid": self._id}]}
