"""Who may call what: every route against every kind of caller."""

from __future__ import annotations

import itertools

import pytest
from litestar.routes import HTTPRoute

from vendor.ops_api import ENVIRONMENT, KEY, OPERATOR, SERVICE, Caller

pytestmark = pytest.mark.anyio

OTHER = "11111111-2222-4333-8444-555555555555"
TOKENS = {"environment": KEY, "operator": OPERATOR, "service": SERVICE, "nobody": "wrong"}


def _routes(ops: Caller) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for route in ops.app.asgi.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                methods = sorted(handler.http_methods - {"OPTIONS"})
                access = str(handler.opt.get("access"))
                found.extend((access, method, route.path) for method in methods)
    return found


async def test_every_route_says_who_may_call_it(ops: Caller) -> None:
    marks = {access for access, _, _ in _routes(ops)}
    assert marks == {"public", "environment", "operator", "service", "page", "form"}


async def test_tokens_open_only_their_own_routes(ops: Caller) -> None:
    closed = [r for r in _routes(ops) if r[0] in ("environment", "operator", "service")]
    assert len(closed) > 12
    for (access, method, path), (role, token) in itertools.product(closed, TOKENS.items()):
        if role == access:
            continue
        answer = await ops.nobody.request(
            method,
            path.replace("{environment:str}", ENVIRONMENT),
            headers={"authorization": f"Bearer {token}"},
            content=b"{}",
        )
        assert answer.status_code == 401, (role, method, path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_environment_reaches_no_other(ops: Caller) -> None:
    other_key = "zyxwvuts." + "9" * 32
    assert (await ops.announce(OTHER, other_key)).status_code == 201
    wrong_key = await ops.gateway.get(f"/v1/environments/{OTHER}/desired")
    unknown = await ops.gateway.get("/v1/environments/99999999-2222-4333-8444-555555555555/desired")
    assert wrong_key.status_code == unknown.status_code == 401
    assert wrong_key.content == unknown.content, "the answer must not tell which part was wrong"


async def test_a_new_key_replaces_the_old_one(ops: Caller) -> None:
    assert (await ops.gateway.get(f"{ops.path}/desired")).status_code == 200
    assert (await ops.announce(key="newkey12." + "7" * 32)).status_code == 200
    assert (await ops.gateway.get(f"{ops.path}/desired")).status_code == 401


async def test_a_removed_environment_is_gone_with_its_telemetry(ops: Caller) -> None:
    from vendor.ops_api import lines, record

    assert (await ops.send("logs", lines(record(1)))).json() == {"accepted": 1, "duplicate": False}
    for _ in range(2):
        assert (await ops.service.delete(f"/internal/v1/environments/{ENVIRONMENT}")).status_code == 204
    assert (await ops.gateway.get(f"{ops.path}/desired")).status_code == 401
    assert (await ops.operator.get(f"/operator/v1/environments/{ENVIRONMENT}")).status_code == 404
    assert (await ops.announce()).status_code == 201
    assert await ops.log_lines() == []


async def test_pages_need_a_session_and_forms_our_own_origin(ops: Caller) -> None:
    assert (await ops.nobody.get("/fleet")).headers["location"] == "/fleet/sign-in"
    form = {"token": OPERATOR}
    foreign = await ops.nobody.post("/fleet/sign-in", data=form, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert (await ops.nobody.post("/fleet/sign-in", data=form)).status_code == 403
    own = {"origin": ops.url}
    wrong = await ops.nobody.post("/fleet/sign-in", data={"token": "guess"}, headers=own)
    assert wrong.status_code == 401
    assert "not the operator token" in wrong.text
    signed_in = await ops.nobody.post("/fleet/sign-in", data=form, headers=own)
    assert signed_in.headers["location"] == "/fleet"
    assert "HttpOnly" in signed_in.headers["set-cookie"]
    page = await ops.nobody.get("/fleet")
    assert page.status_code == 200
    assert "Production" in page.text
    assert "'unsafe-inline'" not in page.headers["content-security-policy"]
    assert (await ops.nobody.get(f"/fleet/{ENVIRONMENT}")).status_code == 200
    missing = await ops.nobody.get("/fleet/unknown")
    assert missing.status_code == 404
    assert "text/html" in missing.headers["content-type"]
    assert (await ops.nobody.post("/fleet/sign-out", headers=own)).status_code == 303
    assert (await ops.nobody.get("/fleet")).status_code == 303


async def test_a_session_ends_by_itself(ops: Caller) -> None:
    own = {"origin": ops.url}
    await ops.nobody.post("/fleet/sign-in", data={"token": OPERATOR}, headers=own)
    assert (await ops.nobody.get("/fleet")).status_code == 200
    ops.clock.now += ops.app.services.settings.operator_session_hours * 3600 + 1
    assert (await ops.nobody.get("/fleet")).status_code == 303
