"""Tokens: forged, foreign, stale and confused ones are refused, and nothing of them is repeated."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from logits_core.errors import ErrorCode, LogitsError
from logits_core.policy import Identity, KeySet, verify_token

NOW = 1_800_000_000.0
ISSUER = "https://kubernetes.default.svc.cluster.local"
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int) -> str:
    return b64(value.to_bytes(size, "big"))


def jwks() -> dict[str, Any]:
    public, point = RSA.public_key().public_numbers(), EC.public_key().public_numbers()
    return {
        "keys": [
            {"kty": "RSA", "kid": "r", "n": number(public.n, 256), "e": number(public.e, 3), "alg": "RS256"},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)},
            {"kty": "oct", "kid": "s", "k": b64(b"secret")},
        ]
    }


def claims(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "iss": ISSUER,
        "aud": ["logits-gateway"],
        "exp": NOW + 3600,
        "nbf": NOW - 10,
        "sub": "system:serviceaccount:logits:logits-component",
        "kubernetes.io": {
            "namespace": "logits",
            "pod": {"name": "logits-console-1", "uid": "u-1"},
            "serviceaccount": {"name": "logits-component", "uid": "s-1"},
        },
    }
    found.update(changes)
    return {key: value for key, value in found.items() if value is not ...}


def signed(header: dict[str, Any], body: dict[str, Any]) -> str:
    head = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(body).encode())}"
    if header.get("kid") == "e":
        r, s = decode_dss_signature(EC.sign(head.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{head}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
    return f"{head}.{b64(RSA.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def check(token: str) -> Identity:
    keys = KeySet.from_jwks(jwks())
    return verify_token(token, keys, issuer=ISSUER, audience="logits-gateway", now=NOW)


@pytest.mark.parametrize("header", [{"alg": "RS256", "kid": "r"}, {"alg": "ES256", "kid": "e"}])
def test_a_projected_token_names_its_pod(header: dict[str, Any]) -> None:
    identity = check(signed(header, claims()))
    assert (identity.pod_name, identity.pod_uid, identity.namespace) == ("logits-console-1", "u-1", "logits")
    assert identity.username == "system:serviceaccount:logits:logits-component"
    assert identity.expires_at == NOW + 3600


def _hmac_confused() -> str:
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    head = f"{b64(json.dumps({'alg': 'HS256', 'kid': 'r'}).encode())}.{b64(json.dumps(claims()).encode())}"
    return f"{head}.{b64(hmac.new(pem, head.encode(), hashlib.sha256).digest())}"


GOOD = signed({"alg": "RS256", "kid": "r"}, claims())
HEAD, BODY, SIGNATURE = GOOD.split(".")
RS = {"alg": "RS256", "kid": "r"}
NONE = b64(b'{"alg":"none","kid":"r"}')


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "..",
        "a.b.c",
        f"{HEAD}.{BODY}.",
        f"{NONE}.{BODY}.{SIGNATURE}",
        _hmac_confused(),
        signed({"alg": "RS512", "kid": "r"}, claims()),
        signed({"alg": "ES256", "kid": "r"}, claims()),
        signed({"alg": "RS256", "kid": "e"}, claims()),
        signed({**RS, "crit": ["b64"]}, claims()),
        f"{HEAD}.{b64(json.dumps(claims(exp=NOW + 9e9)).encode())}.{SIGNATURE}",
        f"{HEAD}.{BODY}.{SIGNATURE[:-2]}",
        f"{HEAD}.{BODY}=.{SIGNATURE}",
        signed(RS, claims(aud=["https://kubernetes.default.svc"])),
        signed(RS, claims(aud=["logits-gateway", "other"])),
        signed(RS, claims(aud=...)),
        signed(RS, claims(iss="https://elsewhere")),
        signed(RS, claims(iss=ISSUER + "/")),
        signed(RS, claims(exp=NOW - 60)),
        signed(RS, claims(exp=...)),
        signed(RS, claims(exp=True)),
        signed(RS, claims(nbf=NOW + 60)),
        signed(RS, claims(sub="system:serviceaccount:logits:logits-gateway")),
        signed(RS, claims(**{"kubernetes.io": {"namespace": "logits"}})),
        signed(RS, claims(**{"kubernetes.io": ...})),
        GOOD + "a" * 9000,
    ],
)
def test_bad_tokens_are_refused_without_an_echo(token: str) -> None:
    with pytest.raises(LogitsError) as caught:
        check(token)
    assert caught.value.code is ErrorCode.UNAUTHENTICATED
    assert caught.value.reason == "Unauthorized"
    assert not token or len(token) < 8 or token not in caught.value.message


@pytest.mark.parametrize("kid", ["unknown", "s", None, 5])
def test_an_unknown_key_asks_for_fresh_keys(kid: Any) -> None:
    with pytest.raises(LogitsError) as caught:
        check(signed({"alg": "RS256", "kid": kid}, claims()))
    assert caught.value.code is ErrorCode.NOT_FOUND


@given(st.integers(0, len(GOOD) - 1), st.characters(codec="ascii"))
def test_a_changed_character_never_verifies(place: int, character: str) -> None:
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    if changed == GOOD:
        return
    with pytest.raises(LogitsError):
        check(changed)


@pytest.mark.parametrize("document", [None, [], {}, {"keys": 5}])
def test_a_key_document_has_keys(document: Any) -> None:
    with pytest.raises(LogitsError):
        KeySet.from_jwks(document)


def test_weak_and_broken_keys_are_left_out() -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    entries = [
        {"kty": "RSA", "kid": "weak", "n": number(weak.n, 128), "e": number(weak.e, 3)},
        {"kty": "EC", "kid": "off", "crv": "P-256", "x": b64(b"1"), "y": b64(b"2")},
        {"kty": "RSA", "kid": "none"},
    ]
    assert not KeySet.from_jwks({"keys": entries}).keys
