"""Tokens: who calls, proved by a projected ServiceAccount token and checked without the network.

The algorithm comes from the key, never from the token; a key verifies with exactly one algorithm.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy import strictjson

MAX_TOKEN = 8192
LEEWAY_SECONDS = 10.0
"""How far the clocks of API server and Gateway may be apart."""
_RSA_MIN_BITS = 2048
_P256_BYTES = 32

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token says its bearer is; whether the pod still lives is checked elsewhere.

    Attributes:
        username: as the API server would name it, ``system:serviceaccount:<namespace>:<name>``.
        namespace: of the ServiceAccount and the pod.
        service_account: its name.
        pod_name: the pod that the token is bound to.
        pod_uid: that pod's UID.
        expires_at: seconds since the epoch.
    """

    username: str
    namespace: str
    service_account: str
    pod_name: str
    pod_uid: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class KeySet:
    """The cluster's token signing keys by key id; RS256 for RSA keys, ES256 for P-256 keys."""

    keys: Mapping[str, PublicKey]

    @classmethod
    def from_jwks(cls, document: Any) -> KeySet:
        """Read a JWKS document; keys of other kinds are left out.

        Raises:
            LogitsError: MALFORMED when it isn't a JWKS document.
        """
        entries = cast("Any", document).get("keys") if isinstance(document, dict) else None
        if not isinstance(entries, list):
            raise LogitsError(ErrorCode.MALFORMED, "the cluster's key document has no list of keys", field="keys")
        found: dict[str, PublicKey] = {}
        for entry in cast("list[dict[str, str]]", entries):
            key = _public_key(entry)
            if key is not None and entry.get("kid"):
                found[entry["kid"]] = key
        return cls(found)


def verify_token(token: str, keys: KeySet, *, issuer: str, audience: str, now: float) -> Identity:
    """Verify a token's signature and claims.

    Args:
        token: the compact JWS.
        keys: the cluster's keys.
        issuer: the only issuer that is accepted.
        audience: must be the token's only audience.
        now: seconds since the epoch.

    Raises:
        LogitsError: UNAUTHENTICATED, never repeating any of the token; NOT_FOUND when the key id
            isn't among the keys, so that the caller may fetch them again.
    """
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3 or not all(parts):
        raise _refused("it is not a signed token in compact form")
    header, claims = _json_part(parts[0]), _json_part(parts[1])
    if "crit" in header:
        raise _refused("it needs extensions that the Gateway doesn't know")
    key = keys.keys.get(str(header.get("kid", "")))
    if key is None:
        raise LogitsError(ErrorCode.NOT_FOUND, "the token's key is not one of the cluster's")
    _check_signature(key, header, f"{parts[0]}.{parts[1]}".encode(), _bytes_part(parts[2]))
    _check_claims(claims, issuer, audience, now)
    return _identity(claims)


def unverified_issuer(token: str) -> str:
    """The issuer that a token names, for the Gateway's own token, which the kubelet put there.

    Raises:
        LogitsError: UNAUTHENTICATED when it names none.
    """
    parts = token.split(".")
    issuer = _json_part(parts[1]).get("iss") if len(parts) == 3 else None
    if not isinstance(issuer, str) or not issuer:
        raise _refused("it names no issuer")
    return issuer


def _refused(why: str) -> LogitsError:
    return LogitsError(
        ErrorCode.UNAUTHENTICATED,
        f"the bearer token is refused: {why}; send the projected token for audience logits-gateway",
        reason="Unauthorized",
    )


def _bytes_part(part: str) -> bytes:
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise _refused("it is not base64url") from None
    # Only the one canonical spelling, so that no two tokens mean the same.
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode():
        raise _refused("it is not base64url")
    return decoded


def _json_part(part: str) -> dict[str, Any]:
    try:
        value = strictjson.decode(_bytes_part(part))
    except LogitsError as error:
        raise _refused("it holds no plain JSON") from error
    if not isinstance(value, dict):
        raise _refused("it holds no JSON object")
    return cast("dict[str, Any]", value)


def _check_signature(key: PublicKey, header: dict[str, Any], signed: bytes, signature: bytes) -> None:
    algorithm = "RS256" if isinstance(key, rsa.RSAPublicKey) else "ES256"
    if header.get("alg") != algorithm:
        raise _refused(f"its key signs with {algorithm} only")
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        elif len(signature) == 2 * _P256_BYTES:
            r, s = (int.from_bytes(signature[i : i + _P256_BYTES], "big") for i in (0, _P256_BYTES))
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        else:
            raise _refused("its signature has the wrong length")
    except InvalidSignature:
        raise _refused("its signature does not hold") from None


def _check_claims(claims: dict[str, Any], issuer: str, audience: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise _refused("another cluster issued it")
    if claims.get("aud") not in (audience, [audience]):
        raise _refused("it is meant for another audience")
    expires = _time(claims, "exp")
    if now >= expires + LEEWAY_SECONDS:
        raise _refused("it has expired")
    if "nbf" in claims and now < _time(claims, "nbf") - LEEWAY_SECONDS:
        raise _refused("it is not valid yet")


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"its {name} claim is missing")
    return float(value)


def _identity(claims: dict[str, Any]) -> Identity:
    bound: dict[str, Any] = claims.get("kubernetes.io") or {}
    try:
        namespace = str(bound["namespace"])
        account = str(bound["serviceaccount"]["name"])
        pod = bound["pod"]
        name, uid = str(pod["name"]), str(pod["uid"])
    except (KeyError, TypeError):
        raise _refused("it is not bound to a pod") from None
    username = f"system:serviceaccount:{namespace}:{account}"
    if claims.get("sub") != username or not name or not uid:
        raise _refused("its subject is not the bound ServiceAccount")
    return Identity(username, namespace, account, name, uid, _time(claims, "exp"))


def _public_key(entry: Mapping[str, str]) -> PublicKey | None:
    try:
        if entry.get("kty") == "RSA":
            key = rsa.RSAPublicNumbers(_number(entry["e"]), _number(entry["n"])).public_key()
            return key if key.key_size >= _RSA_MIN_BITS else None
        if entry.get("kty") == "EC" and entry.get("crv") == "P-256":
            numbers = ec.EllipticCurvePublicNumbers(_number(entry["x"]), _number(entry["y"]), ec.SECP256R1())
            return numbers.public_key()
    except (KeyError, ValueError, LogitsError):
        return None
    return None


def _number(part: str) -> int:
    return int.from_bytes(_bytes_part(part), "big")
