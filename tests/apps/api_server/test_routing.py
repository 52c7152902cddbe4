"""Routing, waiting and failing at the API Server, with real sockets and a real Entity DB."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio
import httpx
import pytest

from apps.api_server.conftest import DEADLINE, Platform, Start, chat
from simulators.scripted_upstream import Visit

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
BODY = '{"model":"m"}'
STREAM = '{"model":"m","stream":true}'


async def never(visit: Visit) -> None:
    """Take requests and say nothing."""
    await visit.request()
    await visit.until_gone()


async def events_of(response: httpx.Response) -> list[str]:
    raw = (await response.aread()).decode()
    return [event for event in raw.split("\n\n") if event]


async def demand(platform: Platform) -> dict[str, Any]:
    found = await platform.entities.get("demands", "api-1")
    return found.spec["models"].get("m", {})


async def wait_for_demand(platform: Platform, **figures: int) -> None:
    with anyio.fail_after(DEADLINE):
        while True:
            entities, _ = await platform.entities.list("demands")
            if entities and figures.items() <= entities[0].spec["models"].get("m", {}).items():
                return
            await anyio.sleep(0.02)


async def test_a_waking_model_holds_requests_and_reports_demand(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        request = asyncio.create_task(http.post(CHAT, content=BODY))
        await wait_for_demand(platform, waiting=1, inFlight=0)
        await platform.serve("m")
        assert (await request).json() == {"choices": []}
        await wait_for_demand(platform, waiting=0, inFlight=0)
        assert (await demand(platform))["lastRequestAt"].endswith("Z")
        assert platform.app.router.open_reservations == 0


async def test_a_model_that_is_disabled_while_requests_wait_sends_them_away(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        request = asyncio.create_task(http.post(CHAT, content=BODY))
        await platform.until(lambda: platform.app.waiting.count == 1)
        await platform.patch_deployment("m", {"enabled": False})
        response = await request
        assert response.status_code == 404
        assert response.json()["error"]["code"] == "model_not_found"
        assert platform.app.ledger.totals() == (0, 0)


async def test_a_failed_model_isn_t_waited_for(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        condition = {"type": "Ready", "status": "False", "reason": "NoGPU", "message": "no node offers a GPU"}
        status = {"stage": "Failed", "conditions": [condition]}
        await platform.entities.patch_status("modeldeployments", "m", status)
        await platform.until(lambda: platform.app.sources.deployments.items["m"].status.get("stage") == "Failed")
        response = await http.post(CHAT, content=BODY)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "model_failed"
        assert "no node offers a GPU" in response.json()["error"]["message"]
        assert int(response.headers["retry-after"]) > 0


async def test_the_waiting_room_is_bounded_in_count_and_time(start: Start) -> None:
    async with start(waiting_limit=1, waiting_seconds=0.2) as platform:
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
            await platform.deploy("m")
            first = asyncio.create_task(http.post(CHAT, content=BODY))
            await platform.until(lambda: platform.app.waiting.count == 1)
            second = await http.post(CHAT, content=BODY)
            assert second.status_code == 503
            assert second.json()["error"]["code"] == "server_is_overloaded"
            assert second.headers["retry-after"] == "10", "as long as a model takes to wake until one was seen"
            late = await first
            assert late.status_code == 503
            assert late.json()["error"]["code"] == "model_not_ready"
            assert platform.app.waiting.count == 0


async def test_requests_beyond_an_endpoints_capacity_wait_their_turn(start: Start) -> None:
    release = asyncio.Semaphore(0)

    async def slow(visit: Visit) -> None:
        while True:
            await visit.request()
            await release.acquire()
            await visit.answer(b"{}")

    async with start(requests_per_slot=1) as platform:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE, limits=limits) as http:
            await platform.deploy("m")
            upstream = await platform.serve("m", slow, slots=8)
            requests = [asyncio.create_task(http.post(CHAT, content=BODY)) for _ in range(11)]
            await platform.until(lambda: platform.app.waiting.count == 3)
            assert platform.app.ledger.totals() == (8, 3)
            await platform.until(lambda: len(upstream.visits) == 8)
            for _ in range(11):
                release.release()
            assert {(await request).status_code for request in requests} == {200}


async def test_load_spreads_over_endpoints(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        first = await platform.serve("m", never, pod="pod-1")
        second = await platform.serve("m", never, pod="pod-2")
        requests = [asyncio.create_task(http.post(CHAT, content=BODY)) for _ in range(6)]
        await platform.until(lambda: platform.app.router.in_flight("m") == {"pod-1": 3, "pod-2": 3})
        await platform.until(lambda: len(first.visits) == len(second.visits) == 3)
        for request in requests:
            request.cancel()
        await platform.until(lambda: platform.app.router.open_reservations == 0)
        await asyncio.gather(*requests, return_exceptions=True)
        assert platform.app.ledger.totals() == (0, 0)
        assert platform.app.pool.open_connections == 0


@pytest.mark.parametrize("how", ["refused", "reset", "503"])
async def test_another_endpoint_answers_when_one_fails_before_the_first_byte(start: Start, how: str) -> None:
    async def bad(visit: Visit) -> None:
        await visit.request()
        if how == "503":
            await visit.answer(b'{"error":"loading"}', status="503 Service Unavailable")
        else:
            visit.reset()

    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        if how == "refused":
            await platform.report("m", "127.0.0.1", 1, pod="bad")
        else:
            await platform.serve("m", bad, pod="bad")
        await platform.serve("m", chat, pod="good")
        for _ in range(20):
            assert (await http.post(CHAT, content=BODY)).status_code == 200
        retries = platform.metric("logits_api_server_retries_total")
        assert 1 <= retries <= 4, "the failing endpoint is ejected"


async def test_a_request_that_breaks_every_llm_server_is_refused_in_the_envelope(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        visit.reset()

    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        upstream = await platform.serve("m", script)
        response = await http.post(CHAT, content=BODY)
        assert response.status_code == 502
        assert response.json()["error"]["code"] == "upstream_failed"
        assert response.headers["retry-after"] == "1"
        assert len(upstream.visits) == 2, "it isn't given to ever more of them"
        assert platform.app.ledger.totals() == (0, 0)


@pytest.mark.parametrize("how", ["refused", "503"])
@pytest.mark.parametrize("body", [BODY, STREAM])
async def test_a_request_that_lost_its_only_llm_server_waits_for_the_next(start: Start, how: str, body: str) -> None:
    async def bad(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b'{"error":{"code":"model_not_ready"}}', status="503 Service Unavailable")

    async with start(keep_alive_seconds=0.05) as platform:
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
            await platform.deploy("m")
            if how == "refused":
                await platform.report("m", "127.0.0.1", 1, pod="bad")
            else:
                await platform.serve("m", bad, pod="bad")
            request = asyncio.create_task(http.post(CHAT, content=body))
            await platform.until(lambda: platform.metric("logits_api_server_losses_total") >= 1)
            await platform.until(lambda: platform.app.ledger.totals() == (0, 1))
            await platform.serve("m", chat, pod="good")
            response = await request
            assert b'{"choices":[]}' in response.content or b'"choices":[]' in response.content
            assert response.status_code == 200
            assert platform.app.ledger.totals() == (0, 0)


async def test_a_request_whose_llm_server_never_comes_back_is_told_so_in_time(start: Start) -> None:
    async with start(waiting_seconds=0.5) as platform:
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
            await platform.deploy("m")
            await platform.report("m", "127.0.0.1", 1)
            response = await http.post(CHAT, content=BODY)
            assert response.status_code == 503
            assert response.json()["error"]["code"] == "model_not_ready"
            assert int(response.headers["retry-after"]) >= 1
            assert platform.app.router.open_reservations == 0


async def test_a_client_that_leaves_while_its_request_waits_again_frees_everything(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        await platform.report("m", "127.0.0.1", 1)
        request = asyncio.create_task(http.post(CHAT, content=BODY))
        await platform.until(lambda: platform.metric("logits_api_server_losses_total") >= 1)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        await platform.until(lambda: platform.app.ledger.totals() == (0, 0))
        await platform.until(lambda: platform.app.waiting.count == 0)
        assert platform.app.router.open_reservations == 0


async def test_a_stream_that_breaks_ends_with_one_error_event_and_done(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        await visit.chunk(b'data: {"n":1}\n\ndata: {"n":')
        visit.close()

    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        await platform.serve("m", script)
        events = await events_of(await http.post(CHAT, content=STREAM))
    assert events[0] == 'data: {"n":1}'
    assert json.loads(events[1].removeprefix("data: "))["error"]["code"] == "upstream_failed"
    assert events[2:] == ["data: [DONE]"]


async def test_a_broken_answer_that_isn_t_a_stream_is_seen_as_broken(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        visit.close()

    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        await platform.serve("m", script)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(CHAT, content=BODY)


async def test_a_waiting_stream_is_kept_alive_and_then_served(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        await visit.chunk(b"data: [DONE]\n\n")
        await visit.chunk(b"")

    async with start(keep_alive_seconds=0.03) as platform:
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
            await platform.deploy("m")
            async with http.stream("POST", CHAT, content=STREAM) as response:
                assert response.status_code == 200
                assert response.headers["content-type"].startswith("text/event-stream")
                assert response.headers["x-request-id"]
                lines = response.aiter_lines()
                assert await anext(lines) == ": keep-alive"
                await platform.serve("m", script)
                rest = [line async for line in lines if line and not line.startswith(":")]
            assert rest == ["data: [DONE]"]


async def test_a_stream_that_waited_in_vain_gets_an_error_event(start: Start) -> None:
    async with start(keep_alive_seconds=0.03, waiting_seconds=0.2) as platform:
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
            await platform.deploy("m")
            response = await http.post(CHAT, content=STREAM)
            events = [event for event in await events_of(response) if not event.startswith(":")]
    assert response.status_code == 200
    assert json.loads(events[0].removeprefix("data: "))["error"]["code"] == "model_not_ready"
    assert events[1:] == ["data: [DONE]"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("phase", ["queued", "prefill", "decode"])
async def test_a_client_that_leaves_frees_everything(start: Start, phase: str, stream: bool) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        if phase == "decode" and stream:
            await visit.events()
            await visit.chunk(b"data: 1\n\n")
        elif phase == "decode":
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{")
        await visit.until_gone()

    async with start() as platform:
        await platform.deploy("m")
        upstream = None if phase == "queued" else await platform.serve("m", script)
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
            request = asyncio.create_task(http.post(CHAT, content=STREAM if stream else BODY))
            if upstream is None:
                await platform.until(lambda: platform.app.waiting.count == 1)
            else:
                visit = await upstream.visit(0)
                await platform.until(lambda: bool(visit.bodies))
            request.cancel()
            await asyncio.gather(request, return_exceptions=True)
            if upstream is not None:
                with anyio.fail_after(DEADLINE):
                    await upstream.visits[0].gone.wait()
            await platform.until(lambda: platform.app.ledger.totals() == (0, 0))
        assert platform.app.router.open_reservations == 0
        assert platform.app.waiting.count == 0
