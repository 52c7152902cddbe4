"""Keys at the API Server: who may call what, how much, and what a refusal says."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from apps.api_server.conftest import DEADLINE, Platform, Start
from logits_core.keys import mint
from simulators.scripted_upstream import Visit

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
BODY = '{"model":"m","messages":[]}'


async def key_for(platform: Platform, name: str, **spec: Any) -> dict[str, str]:
    """Create a key, wait until the API Server knows it, and return the field that shows it."""
    fresh = mint(secrets.token_bytes, "2026-11-23T08:00:00Z")
    spec = {"credentials": [fresh.credential.model_dump(by_alias=True)], **spec}
    await platform.entities.create("apikeys", name, spec)
    await platform.until(lambda: name in platform.app.sources.keys.items)
    await asyncio.sleep(0)
    return {"authorization": f"Bearer {fresh.key}"}


async def test_without_a_valid_key_nothing_is_answered_where_keys_are_required(start: Start) -> None:
    async with start(keys_required=True) as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        upstream = await platform.serve("m")
        good = await key_for(platform, "team")
        for fields in ({}, {"authorization": "Bearer unused"}, {"x-api-key": "lgt_x"}):
            for method, path in (("POST", CHAT), ("GET", "/v1/models"), ("GET", "/v1/models/m")):
                response = await http.request(method, path, headers=fields, content=BODY if method == "POST" else None)
                assert response.status_code == 401, path
                assert response.json()["error"]["code"] == "invalid_api_key"
        assert upstream.visits == []
        assert (await http.post(CHAT, content=BODY, headers=good)).status_code == 200
        as_anthropic = {"x-api-key": good["authorization"].removeprefix("Bearer ")}
        assert (await http.post(CHAT, content=BODY, headers=as_anthropic)).status_code == 200
        assert (await http.get("/v1/models", headers=good)).json()["data"][0]["id"] == "m"
        refused = await http.post("/v1/messages", content=BODY)
        assert refused.json()["type"] == "error"
        assert refused.json()["error"]["type"] == "authentication_error"
        heads = b"".join(head for visit in upstream.visits for head in visit.requests)
        assert b"lgt_" not in heads


async def test_a_revoked_key_stops_at_once(start: Start) -> None:
    async with start(keys_required=True) as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        await platform.serve("m")
        fields = await key_for(platform, "team")
        assert (await http.post(CHAT, content=BODY, headers=fields)).status_code == 200
        await platform.entities.patch("apikeys", "team", {"spec": {"revoked": True}})
        await platform.until(lambda: bool(platform.app.sources.keys.items["team"].spec["revoked"]))
        await asyncio.sleep(0)
        response = await http.post(CHAT, content=BODY, headers=fields)
        assert response.status_code == 401
        assert "revoked" in response.json()["error"]["message"]


async def test_a_key_reaches_only_its_models_and_hears_of_no_others(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        for name in ("m", "secret"):
            await platform.deploy(name)
            await platform.serve(name, pod=f"pod-{name}")
        fields = await key_for(platform, "team", models=["m"])
        assert [m["id"] for m in (await http.get("/v1/models", headers=fields)).json()["data"]] == ["m"]
        refused = await http.post(CHAT, content='{"model":"secret"}', headers=fields)
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "model_not_allowed"
        absent = await http.post(CHAT, content='{"model":"nope"}', headers=fields)
        assert "secret" not in absent.text
        assert (await http.get("/v1/models/secret", headers=fields)).status_code == 403


async def test_limits_refuse_with_the_truth_and_say_how_they_stand(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        await platform.serve("m")
        fields = await key_for(platform, "team", requestsPerMinute=2, tokensPerMinute=1000)
        first = await http.post(CHAT, content=BODY, headers=fields)
        assert first.headers["x-ratelimit-limit-requests"] == "2"
        assert first.headers["x-ratelimit-remaining-requests"] == "1"
        assert int(first.headers["x-ratelimit-remaining-tokens"]) > 990
        assert int(first.headers["openai-processing-ms"]) >= 0
        assert (await http.post(CHAT, content=BODY, headers=fields)).status_code == 200
        over = await http.post(CHAT, content=BODY, headers=fields)
        assert over.status_code == 429
        assert over.json()["error"] | {"message": ""} == {
            "message": "",
            "type": "rate_limit_error",
            "param": None,
            "code": "rate_limit_exceeded",
        }
        assert 28 <= int(over.headers["retry-after"]) <= 30
        assert over.headers["x-ratelimit-remaining-requests"] == "0"
        # Others aren't limited by it, and open access still is open.
        assert (await http.post(CHAT, content=BODY)).status_code == 200


async def test_concurrency_counts_what_is_under_way_and_no_more(start: Start) -> None:
    go = asyncio.Semaphore(0)

    async def slow(visit: Visit) -> None:
        while True:
            await visit.request()
            await go.acquire()
            await visit.answer(b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}')

    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        await platform.serve("m", slow)
        fields = await key_for(platform, "team", concurrency=1)
        first = asyncio.create_task(http.post(CHAT, content=BODY, headers=fields))
        await platform.until(lambda: platform.app.ledger.totals() == (1, 0))
        second = await http.post(CHAT, content=BODY, headers=fields)
        assert second.status_code == 429
        assert second.json()["error"]["code"] == "concurrency_limit_exceeded"
        go.release()
        assert (await first).status_code == 200
        go.release()
        assert (await http.post(CHAT, content=BODY, headers=fields)).status_code == 200


async def test_waiting_is_fair_between_keys(start: Start) -> None:
    order: list[str] = []
    go = asyncio.Semaphore(0)

    async def slow(visit: Visit) -> None:
        while True:
            await visit.request()
            order.append("modest" if b"modest" in visit.bodies[-1] else "greedy")
            await go.acquire()
            await visit.answer(b"{}")

    async with start(requests_per_slot=1) as platform:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE, limits=limits) as http:
            await platform.deploy("m")
            await platform.serve("m", slow, slots=8)
            greedy, modest = await key_for(platform, "greedy"), await key_for(platform, "modest")
            many = [asyncio.create_task(http.post(CHAT, content=BODY, headers=greedy)) for _ in range(30)]
            await platform.until(lambda: platform.app.waiting.count == 22)
            one = asyncio.create_task(http.post(CHAT, content='{"model":"m","modest":1}', headers=modest))
            await platform.until(lambda: platform.app.waiting.count == 23)
            for _ in range(31):
                go.release()
            assert {(await request).status_code for request in [*many, one]} == {200}
            assert order.index("modest") <= 10


async def test_when_the_room_is_full_the_key_that_fills_it_makes_room(start: Start) -> None:
    async with start(waiting_limit=3) as platform:
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
            await platform.deploy("m")
            greedy, modest = await key_for(platform, "greedy"), await key_for(platform, "modest")
            many = [asyncio.create_task(http.post(CHAT, content=BODY, headers=greedy)) for _ in range(3)]
            await platform.until(lambda: platform.app.waiting.count == 3)
            one = asyncio.create_task(http.post(CHAT, content=BODY, headers=modest))
            done, _ = await asyncio.wait(many, return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE)
            refused = done.pop().result()
            assert refused.status_code == 429
            assert refused.json()["error"]["code"] == "waiting_limit_exceeded"
            assert int(refused.headers["retry-after"]) >= 1
            await platform.serve("m")
            assert (await one).status_code == 200
            assert sorted([(await request).status_code for request in many]) == [200, 200, 429]
