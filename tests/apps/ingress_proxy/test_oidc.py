"""Sign-in at an OpenID Connect issuer: what it vouches for gets in, and nothing else does."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey

from apps.ingress_proxy.conftest import Start
from logits_core.errors import LogitsError
from simulators.oidc_issuer import CLIENT_ID, SimulatedIssuer, simulated_issuer

pytestmark = pytest.mark.anyio
PUBLIC = "http://logits.example"


def settings(issuer: SimulatedIssuer, **more: Any) -> dict[str, Any]:
    return {
        "authentication": "oidc",
        "oidc_issuer": issuer.url,
        "oidc_client_id": CLIENT_ID,
        "public_url": PUBLIC,
        **more,
    }


async def come_back(http: httpx.AsyncClient, issuer: SimulatedIssuer) -> httpx.Response:
    sent = await http.get("/sign-in?next=/models")
    assert sent.status_code == 303
    assert sent.headers["location"].startswith(f"{issuer.url}/authorize?")
    return await http.get(issuer.authorize(sent.headers["location"]).removeprefix(PUBLIC))


async def test_who_the_issuer_signs_in_gets_in(start: Start) -> None:
    async with simulated_issuer() as issuer, start(**settings(issuer)) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            back = await come_back(http, issuer)
            assert (back.status_code, back.headers["location"]) == (303, "/models")
            assert (await http.get("/models")).text == "console"
            assert (await http.get("/entities", auth=("a", "b"), headers={"cookie": ""})).status_code == 401
        assert b"x-logits-user: ada@example.com\r\n" in ingress.console.visits[0].requests[0]


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1_000_000},
        {"exp": None},
        {"sub": None},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
    ],
)
async def test_id_tokens_that_do_not_hold_are_refused(start: Start, claims: dict[str, Any]) -> None:
    async with simulated_issuer() as issuer, start(**settings(issuer)) as ingress:
        issuer.claims = claims
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            back = await come_back(http, issuer)
            assert back.status_code == 401
            assert "logits_session" not in back.headers.get("set-cookie", "")


@pytest.mark.parametrize("attack", ["another key", "the public key as a secret", "a key in the head"])
async def test_forged_signatures_are_refused(start: Start, attack: str) -> None:
    async with simulated_issuer() as issuer, start(**settings(issuer)) as ingress:
        if attack == "the public key as a secret":
            issuer.header = {"alg": "HS256", "kid": "1"}
        else:
            issuer.key = RSAKey.generate_key(2048, {"kid": "1"})
            if attack == "a key in the head":
                issuer.header = {"alg": "RS256", "kid": "1", "jwk": issuer.key.as_dict(private=False)}
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            assert (await come_back(http, issuer)).status_code == 401


async def test_only_verified_addresses_of_the_named_domains(start: Start) -> None:
    async with simulated_issuer() as issuer, start(**settings(issuer, oidc_email_domains="example.com")) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            for address, verified in (
                ("ada@evil.example", True), ("ada@example.com", False), ("ada@example.com", "true"),
                ("ada@evil.example@example.com", True), ("@example.com", True), ("ada@example.com.evil", True),
            ):  # fmt: skip
                issuer.claims = {"email": address, "email_verified": verified}
                assert (await come_back(http, issuer)).status_code == 403, address
            issuer.claims = {}
            assert (await come_back(http, issuer)).status_code == 303


async def test_a_sign_in_that_was_not_begun_here_is_refused(start: Start) -> None:
    async with simulated_issuer() as issuer, start(**settings(issuer)) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            assert (await http.get("/sign-in/callback?code=x&state=y")).status_code == 401
            sent = await http.get("/sign-in")
            back = issuer.authorize(sent.headers["location"]).removeprefix(PUBLIC)
            assert (await http.get(back + "x")).status_code == 401
            http.cookies.clear()
            assert (await http.get(back)).status_code == 401


async def test_an_issuer_that_is_away_is_said_to_be(start: Start) -> None:
    settings = {"oidc_issuer": "http://127.0.0.1:1", "oidc_client_id": CLIENT_ID, "public_url": PUBLIC}
    async with start(authentication="oidc", **settings) as ingress:
        async with httpx.AsyncClient(base_url=ingress.url) as http:
            answer = await http.get("/sign-in")
            assert answer.status_code == 503
            assert "issuer" in answer.json()["detail"]


@pytest.mark.parametrize("missing", ["oidc_issuer", "oidc_client_id", "public_url"])
async def test_a_missing_setting_is_named(start: Start, missing: str) -> None:
    values = {"oidc_issuer": "http://i", "oidc_client_id": CLIENT_ID, "public_url": PUBLIC, missing: ""}
    with pytest.RaisesGroup(pytest.RaisesExc(LogitsError, match=f"LOGITS_{missing.upper()}"), flatten_subgroups=True):
        async with start(authentication="oidc", **values):
            pass
