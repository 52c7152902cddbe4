"""Who isn't proved to be a component is 401 in Kubernetes' own words, and is recorded as nobody."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from attacks.catalogue import CORE
from attacks.conftest import Attacker
from logits_shell.kubernetes import PODS
from simulators.gateway_site import NAMESPACE

pytestmark = pytest.mark.anyio
STRANGER = rsa.generate_private_key(65537, 2048)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    head, body, signature = token.split(".")
    decoded = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, body)]
    return decoded[0], decoded[1], signature


def joined(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"


def unsigned(token: str) -> str:
    header, claims, _ = parts(token)
    return joined(header | {"alg": "none"}, claims) + "."


def hmac_confused(token: str) -> str:
    header, claims, _ = parts(token)
    text = joined(header | {"alg": "HS256"}, claims)
    return f"{text}.{b64(hmac.new(b'public key', text.encode(), hashlib.sha256).digest())}"


def another_algorithm(token: str) -> str:
    header, claims, _ = parts(token)
    text = joined(header | {"alg": "PS256" if header["alg"] == "RS256" else "RS256"}, claims)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return f"{text}.{b64(STRANGER.sign(text.encode(), pss, hashes.SHA256()))}"


def self_signed(token: str) -> str:
    header, claims, _ = parts(token)
    text = joined(header, claims)
    return f"{text}.{b64(STRANGER.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def own_key(token: str) -> str:
    header, claims, _ = parts(token)
    numbers = STRANGER.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": b64(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
    text = joined({"alg": "RS256", "jwk": jwk, "kid": header.get("kid")}, claims)
    return f"{text}.{b64(STRANGER.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def promoted(token: str) -> str:
    head, _, signature = token.split(".")
    _, claims, _ = parts(token)
    bound = claims["kubernetes.io"] | {"serviceaccount": {"name": "logits-gateway", "uid": "x"}}
    claims |= {"sub": f"system:serviceaccount:{NAMESPACE}:logits-gateway", "kubernetes.io": bound}
    return f"{head}.{b64(json.dumps(claims).encode())}.{signature}"


def foreign_issuer(token: str) -> str:
    header, claims, signature = parts(token)
    return joined(header, claims | {"iss": "https://elsewhere.example"}) + f".{signature}"


def unknown_extension(token: str) -> str:
    header, claims, signature = parts(token)
    return joined(header | {"crit": ["exp"]}, claims) + f".{signature}"


FORGED: list[tuple[str, Callable[[str], str]]] = [
    ("alg none", unsigned),
    ("CVE-2022-29217, CVE-2024-33663, CVE-2026-85394: HMAC with the public key", hmac_confused),
    ("CVE-2026-48523: an algorithm that the cluster's key isn't for", another_algorithm),
    ("another key under the cluster's key id", self_signed),
    ("a key in the header", own_key),
    ("another account under the old signature", promoted),
    ("CVE-2024-53861: a foreign issuer", foreign_issuer),
    ("CVE-2026-32597: a critical extension", unknown_extension),
    ("cut", lambda token: token[:-8]),
    ("two tokens", lambda token: f"{token} {token}"),
    ("CVE-2023-48312: only a space", lambda _: " "),
    ("CVE-2023-48312: nonsense", lambda _: "nonsense"),
    ("three dots", lambda _: "..."),
    ("very long", lambda _: "a" * 20_000),
]


@pytest.mark.parametrize("forge", [forge for _, forge in FORGED], ids=[name for name, _ in FORGED])
async def test_a_forged_token_is_nobody(attacker: Attacker, forge: Callable[[str], str]) -> None:
    await _is_nobody(attacker, forge(attacker.token))


async def _is_nobody(attacker: Attacker, token: str) -> None:
    answer = await attacker.send("GET", f"{CORE}/pods", headers=[("Authorization", f"Bearer {token}")], token="")
    assert answer.status == 401, answer.body
    assert (answer.document["kind"], answer.document["reason"]) == ("Status", "Unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    record = attacker.record(answer)
    assert record["user"]["username"] == "system:anonymous"
    assert record["annotations"]["logits.ai/decision"] == "deny"
    if len(token) > 40:
        assert token[:40].encode() not in b"".join(attacker.site.audit)


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "bearer ", "Token a"])
async def test_capsule_cve_2023_48312_other_credentials_are_nobody(attacker: Attacker, header: str) -> None:
    answer = await attacker.send("GET", f"{CORE}/pods", headers=[("Authorization", header)], token="")
    assert answer.status == 401
    assert attacker.record(answer)["user"]["username"] == "system:anonymous"


async def test_no_credentials_are_nobody(attacker: Attacker) -> None:
    answer = await attacker.send("GET", f"{CORE}/pods", token="")
    assert answer.status == 401
    assert attacker.record(answer)["user"]["username"] == "system:anonymous"


@pytest.mark.parametrize("audience", ["https://kubernetes.default.svc.cluster.local", "vault"])
async def test_a_token_for_another_audience_is_nobody(attacker: Attacker, audience: str) -> None:
    pod = await attacker.site.admin.get(PODS, "logits-controller-taken", namespace=NAMESPACE)
    await _is_nobody(attacker, await attacker.site.token(pod, audience=audience))


async def test_a_token_of_another_account_or_component_is_nobody(attacker: Attacker) -> None:
    for name, component, account in (
        ("logits-engine", "llm-server", "logits-component"),
        ("logits-other", "controller", "logits-gateway"),
    ):
        pod = await attacker.site.pod(name, component, account=account)
        await _is_nobody(attacker, await attacker.site.token(pod))


async def test_a_token_ends_with_its_pod(attacker: Attacker) -> None:
    pod = await attacker.site.pod("logits-controller-gone", "controller")
    token = await attacker.site.token(pod)
    await attacker.site.admin.delete(PODS, "logits-controller-gone", namespace=NAMESPACE, grace_seconds=0)
    # The Gateway hears of it by its watch, so a call that overtakes the news still counts as the pod's.
    bearer = [("Authorization", f"Bearer {token}")]
    with anyio.fail_after(10):
        while (await attacker.send("GET", f"{CORE}/pods", headers=bearer, token="")).status == 200:
            pass
    await _is_nobody(attacker, token)
