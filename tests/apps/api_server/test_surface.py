"""The surface at the API Server: every operation, in its dialect, from models whose engine has it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from apps.api_server.conftest import DEADLINE, Platform, Start
from logits_core.wire import OPERATIONS, BodyForm, Dialect, Operation
from simulators.scripted_upstream import Script, Visit

pytestmark = pytest.mark.anyio
FORM = b'--B\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--B--\r\n'
FORM_TYPE = "multipart/form-data; boundary=B"


def asking(operation: Operation) -> dict[str, Any]:
    if operation.body is BodyForm.MULTIPART:
        return {"content": FORM, "headers": {"content-type": FORM_TYPE}}
    return {"content": b'{"model":"m"}'} if operation.body is BodyForm.JSON else {}


def error_of(operation: Operation, response: httpx.Response) -> dict[str, Any]:
    document = response.json()
    assert response.headers["x-request-id"]
    if operation.dialect is Dialect.ANTHROPIC:
        assert document["type"] == "error"
        assert document["request_id"] == response.headers["x-request-id"]
    else:
        assert set(document["error"]) >= {"message", "type", "param", "code"}
    return document["error"]


async def engine(platform: Platform, kind: str, script: Script, *, pod: str = "pod-1", model: str = "m") -> Any:
    upstream = await platform.serve(model, script, pod=pod)
    await platform.entities.patch_status("llmservers", pod, {"engine": kind})
    await platform.until(lambda: platform.app.sources.servers.items[pod].status.get("engine") == kind)
    return upstream


async def echo(visit: Visit) -> None:
    while True:
        await visit.request()
        await visit.answer(b'{"id":"resp_abc","ok":true}', fields="content-type: application/json\r\n")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("kind", ["llamacpp", "vllm"])
async def test_an_operation_reaches_the_engines_that_have_it(start: Start, operation: Operation, kind: str) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        upstream = await engine(platform, kind, echo)
        path = operation.path.format(id="resp_abc")
        response = await http.request(operation.method, f"/api{path}", **asking(operation))
        if kind in operation.engines:
            assert response.content == b'{"id":"resp_abc","ok":true}'
            target = operation.engine_path.format(id="resp_abc")
            assert upstream.visits[0].requests[0].startswith(f"{operation.method} {target} HTTP/1.1\r\n".encode())
        else:
            assert upstream.visits == []
            error = error_of(operation, response)
            assert response.status_code == (404 if operation.body is BodyForm.NONE else 400)
            assert "resp_abc" in error["message"] or "llamacpp, which has no such thing" in error["message"]


@pytest.mark.parametrize(
    "answer",
    [
        ("404 Not Found", b'{"detail":"Not Found"}'),
        ("501 Oh", b'{"error":{"code":501,"message":"no embeddings","type":"not_supported_error"}}'),
        ("405 Oh", b'{"detail":"Method Not Allowed"}'),
    ],
)
async def test_an_engine_that_cannot_says_so_clearly(start: Start, answer: tuple[str, bytes]) -> None:
    async def cannot(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.answer(answer[1], status=answer[0], fields="content-type: application/json\r\n")

    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        await platform.serve("m", cannot)
        for _ in range(5):
            response = await http.post("/v1/embeddings", content=b'{"model":"m"}')
            assert response.status_code == 400
            assert response.json()["error"]["code"] == "unsupported_operation"
            assert "doesn't offer embeddings" in response.json()["error"]["message"]
        assert platform.app.router.ejected("m", 0.0) == frozenset()


async def test_an_engines_own_not_found_stays_one(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        body = b'{"error":{"message":"no such adapter","type":"NotFoundError","param":"model","code":404}}'
        await visit.answer(body, status="404 Not Found")

    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        await platform.deploy("m")
        await platform.serve("m", script)
        response = await http.post("/v1/chat/completions", content=b'{"model":"m"}')
        assert response.status_code == 404
        assert response.json()["error"] == {
            "message": "no such adapter",
            "type": "invalid_request_error",
            "param": "model",
            "code": None,
        }


async def test_a_stored_response_is_asked_of_its_maker(start: Start) -> None:
    async def absent(visit: Visit) -> None:
        while True:
            await visit.request()
            body = b'{"error":{"message":"not found","param":"response_id","code":404}}'
            await visit.answer(body, status="404 Not Found")

    async with start() as platform, httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
        for number in range(3):
            await platform.deploy(f"other-{number}")
            await engine(platform, "vllm", absent, pod=f"other-{number}", model=f"other-{number}")
        await platform.deploy("m")
        maker = await engine(platform, "vllm", echo)
        # Not remembered: everybody is asked until one has it.
        assert (await http.get("/v1/responses/resp_unknown")).status_code == 200
        before = [len(v.requests) for v in maker.visits]
        made = await http.post("/v1/responses", content=b'{"model":"m"}')
        assert made.json()["id"] == "resp_abc"
        assert (await http.get("/v1/responses/resp_abc?starting_after=3")).status_code == 200
        assert (await http.post("/v1/responses/resp_abc/cancel")).status_code == 200
        assert sum(len(v.requests) for v in maker.visits) == sum(before) + 3
        await platform.entities.delete("llmservers", "pod-1")
        await platform.until(lambda: platform.app.router.in_flight("m") == {})
        gone = await http.get("/v1/responses/resp_abc")
        assert gone.status_code == 404
        assert gone.json()["error"]["code"] == "response_not_found"
        assert platform.app.ledger.totals() == (0, 0)


async def test_unknown_paths_speak_the_dialect_of_their_caller(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        openai = await http.post("/v1/load_lora_adapter", content=b"{}")
        assert openai.json()["error"]["code"] == "unknown_url"
        for path, fields in (("/v1/messages/batches", {}), ("/v1/nothing", {"anthropic-version": "2023-06-01"})):
            response = await http.post(path, content=b"{}", headers=fields)
            assert response.status_code == 404
            assert response.json()["error"]["type"] == "not_found_error"
        wrong = await http.get("/v1/messages")
        assert wrong.status_code == 405
        assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "sign", "ends"),
    [
        ("/v1/chat/completions", ": keep-alive", ["data: [DONE]"]),
        ("/v1/responses", ": keep-alive", []),
        ("/v1/messages", "event: ping", []),
    ],
)
async def test_a_stream_waits_and_fails_in_its_dialect(start: Start, path: str, sign: str, ends: list[str]) -> None:
    async with start(keep_alive_seconds=0.03, waiting_seconds=0.2) as platform:
        async with httpx.AsyncClient(base_url=platform.url, timeout=DEADLINE) as http:
            await platform.deploy("m")
            response = await http.post(path, content=b'{"model":"m","stream":true}')
            events = [event for event in response.text.split("\n\n") if event]
            assert events[0].startswith(sign)
            rest = [event for event in events if not event.startswith(sign)]
            assert json.loads(rest[0].partition("data: ")[2])["error"]["message"].startswith("The model 'm' did not")
            assert rest[1:] == ends


async def test_a_route_is_told_to_whoever_asks(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        await platform.serve("m")
        body = b'{"model":"m","messages":[]}'
        told = await http.post("/v1/chat/completions", content=body, headers={"x-logits-route": "1"})
        route, _, cost = told.headers["x-logits-route"].partition("; costs-ms=pod-1=")
        assert route == "endpoint=pod-1; reason=only; cached-tokens=0"
        assert float(cost) > 0
        silent = await http.post("/v1/chat/completions", content=body)
        assert "x-logits-route" not in silent.headers
