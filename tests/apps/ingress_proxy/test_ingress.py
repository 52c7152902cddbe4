"""The Ingress Proxy: paths decide, events stream, failures speak the path's dialect."""

from __future__ import annotations

import hashlib

import anyio
import httpx
import pytest

from apps.ingress_proxy.conftest import Start
from logits_core.errors import LogitsError
from logits_ingress_proxy.table import upstream_of
from simulators.scripted_upstream import Visit

pytestmark = pytest.mark.anyio


async def test_paths_lead_to_their_systems_unchanged(start: Start) -> None:
    async with start() as ingress, httpx.AsyncClient(base_url=ingress.url) as http:
        for path, system in (
            ("/", "console"),
            ("/models?x=1", "console"),
            ("/v1x", "console"),
            ("/api", "console"),
            ("/entitiesx", "console"),
            ("/v1/models", "api-server"),
            ("/api/v1/chat/completions", "api-server"),
            ("/entities", "entity-db"),
            ("/entities/modeldeployments?watch=true", "entity-db"),
        ):
            assert (await http.get(path)).text == system, path
        targets = [head.split(b" ")[1] for head in ingress.entity_db.visits[0].requests]
        assert targets == [b"/entities", b"/entities/modeldeployments?watch=true"]
        assert (
            ingress.metric("logits_ingress_proxy_requests_total", system="entity-db", outcome="complete", status="2xx")
            == 2
        )


async def test_forwarding_fields_are_ours_alone(start: Start) -> None:
    async with start() as ingress, httpx.AsyncClient(base_url=ingress.url) as http:
        await http.get("/", headers={"x-forwarded-for": "9.9.9.9", "forwarded": "for=9.9.9.9", "x-real-ip": "9.9.9.9"})
        head = ingress.console.visits[0].requests[0]
    assert b"9.9.9.9" not in head
    assert b"x-forwarded-for: 127.0.0.1\r\n" in head
    assert b"x-forwarded-proto: http\r\n" in head


@pytest.mark.parametrize("path", ["/v1/models", "/api/v1/chat/completions", "/entities", "/"])
async def test_a_system_that_is_away_is_a_502_in_the_right_dialect(start: Start, path: str) -> None:
    away = dict.fromkeys(("console_url", "api_server_url", "entity_db_url"), "http://127.0.0.1:1")
    async with start(**away) as ingress, httpx.AsyncClient(base_url=ingress.url) as http:
        response = await http.get(path)
        assert response.status_code == 502
        assert response.headers["retry-after"] == "2"
        if "/v1" in path:
            assert response.json()["error"]["code"] == "upstream_unreachable"
        else:
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["status"] == 502


async def test_errors_of_the_systems_pass_through(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b'{"error":{}}', status="429 Too Many Requests", fields="retry-after: 7\r\n")

    async with start(script) as ingress, httpx.AsyncClient(base_url=ingress.url) as http:
        response = await http.get("/v1/models")
    assert (response.status_code, response.headers["retry-after"], response.text) == (429, "7", '{"error":{}}')


async def test_events_stream_and_leaving_stops_them(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        await visit.chunk(b"data: 1\n\n")
        await visit.until_gone()

    async with start(script) as ingress, httpx.AsyncClient(base_url=ingress.url) as http:
        async with http.stream("POST", "/v1/chat/completions", content=b"{}") as response:
            assert await anext(response.aiter_raw()) == b"data: 1\n\n"
        with anyio.fail_after(10):
            await ingress.api_server.visits[0].gone.wait()


async def test_an_access_token_is_asked_for_and_stays_here(start: Start) -> None:
    digest = hashlib.sha256(b"open sesame").hexdigest()
    async with start(access_token_sha256=digest) as ingress, httpx.AsyncClient(base_url=ingress.url) as http:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic open sesame"}):
            response = await http.get("/v1/models", headers=headers)
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"
            assert response.headers["www-authenticate"].startswith("Bearer")
        assert (await http.get("/")).headers["content-type"] == "application/problem+json"
        good = {"authorization": "Bearer open sesame"}
        assert (await http.get("/v1/models", headers=good)).text == "api-server"
        assert b"sesame" not in ingress.api_server.visits[0].requests[0]
        assert ingress.metric("logits_ingress_proxy_refusals_total", reason="invalid-api-key") == 4


@pytest.mark.parametrize("url", ["https://x", "x:80", "http://x/path", "http://x:99999"])
def test_settings_that_are_no_addresses_are_named(url: str) -> None:
    with pytest.raises(LogitsError, match="LOGITS_CONSOLE_URL"):
        upstream_of(url, "LOGITS_CONSOLE_URL")
