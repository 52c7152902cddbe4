"""The OpenAI wire rules at the API Server: every refusal in the envelope, on every path."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from apps.api_server.conftest import Start
from simulators.scripted_upstream import Visit

pytestmark = pytest.mark.anyio
CHAT = "/api/v1/chat/completions"


def error_of(response: httpx.Response) -> dict[str, Any]:
    document = response.json()
    assert set(document) == {"error"}
    assert set(document["error"]) >= {"message", "type", "param", "code"}
    assert response.headers["x-request-id"]
    return document["error"]


async def test_refusals_are_in_the_envelope_and_change_nothing(start: Start) -> None:
    async with start(body_bytes_limit=2048) as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("on")
        await platform.deploy("off", enabled=False)
        upstream = await platform.serve("on")

        async def post(body: str | bytes) -> tuple[int, dict[str, Any]]:
            response = await http.post(CHAT, content=body)
            return response.status_code, error_of(response)

        for body, status, param, code in (
            ("{", 400, None, "invalid_json"),
            ("[]", 400, None, "invalid_type"),
            ("{}", 400, "model", "missing_model"),
            ('{"model":1}', 400, "model", "invalid_type"),
            ('{"model":"on","stream":"x"}', 400, "stream", "invalid_type"),
            ('{"model":"on","model":"off"}', 400, "model", "duplicate_model"),
            ('{"model":"off"}', 404, "model", "model_not_found"),
            ('{"model":"nope"}', 404, "model", "model_not_found"),
            (b"x" * 4096, 413, None, "body_too_large"),
        ):
            got, error = await post(body)
            assert (got, error["param"], error["code"]) == (status, param, code), body
        _, error = await post('{"model":"nope"}')
        assert error["message"] == "The model 'nope' doesn't exist. The models are: on."
        _, error = await post('{"model":"off"}')
        assert "is disabled" in error["message"]
        assert upstream.visits == []


async def test_unknown_paths_and_methods_are_in_the_envelope(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        for method, path, status in (
            ("GET", "/nothing", 404),
            ("POST", "/v1/load_lora_adapter", 404),
            ("POST", "/metrics", 404),
            ("GET", CHAT, 405),
            ("DELETE", "/v1/models", 405),
            ("GET", "/v1/models/absent", 404),
        ):
            response = await http.request(method, path)
            assert response.status_code == status, path
            assert error_of(response)["type"] == "invalid_request_error"
            if status == 405:
                assert response.headers["allow"]


async def test_broken_http_is_in_the_envelope(start: Start) -> None:
    import anyio

    async with start() as platform:
        host, port = platform.url.removeprefix("http://").split(":")
        async with await anyio.connect_tcp(host, int(port)) as stream:
            await stream.send(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
            raw = b"".join([chunk async for chunk in stream])
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"duplicate_host"' in raw
    assert b"x-request-id: req_" in raw


async def test_models_are_the_enabled_deployments(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("b-model")
        await platform.deploy("a-model")
        await platform.deploy("hidden", enabled=False)
        for prefix in ("/v1", "/api/v1"):
            listed = (await http.get(f"{prefix}/models")).json()
            assert listed["object"] == "list"
            assert [model["id"] for model in listed["data"]] == ["a-model", "b-model"]
            one = (await http.get(f"{prefix}/models/a-model")).json()
            assert one == listed["data"][0]
            assert one["object"] == "model"
            assert one["created"] > 0


async def test_request_ids_are_kept_or_made_and_sent_upstream(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        upstream = await platform.serve("m")
        body = '{"model":"m"}'
        kept = await http.post(CHAT, content=body, headers={"x-request-id": "my-id.7"})
        made = await http.post(CHAT, content=body, headers={"x-request-id": "not well formed"})
        listed = await http.get("/v1/models", headers={"x-request-id": "my-id.8"})
        assert kept.headers["x-request-id"] == "my-id.7"
        assert made.headers["x-request-id"].startswith("req_")
        assert listed.headers["x-request-id"] == "my-id.8"
        heads = upstream.visits[0].requests
        assert b"x-request-id: my-id.7\r\n" in heads[0]
        assert f"x-request-id: {made.headers['x-request-id']}\r\n".encode() in heads[1]


async def test_bodies_pass_untouched_and_credentials_stay(start: Start) -> None:
    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        upstream = await platform.serve("m")
        body = b'{ "unknown": [1.0, 1e3], "model": "m", "text": "\\u00e9\xc3\xa9" }'
        response = await http.post(f"{CHAT}?trace=1", content=body, headers={"authorization": "Bearer secret"})
        assert response.content == b'{"choices":[]}'
        visit = upstream.visits[0]
        assert visit.bodies == [body]
        assert visit.requests[0].startswith(b"POST /v1/chat/completions?trace=1 HTTP/1.1\r\n")
        assert b"secret" not in visit.requests[0]


async def test_an_engines_error_is_normalised(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        body = b'{"error":{"code":400,"message":"too long","type":"exceed_context_size_error","n_ctx":64}}'
        await visit.answer(body, status="400 Bad Request", fields="content-type: application/json\r\n")

    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        await platform.serve("m", script)
        response = await http.post(CHAT, content='{"model":"m"}')
        assert response.status_code == 400
        error = error_of(response)
        assert (error["message"], error["code"], error["n_ctx"]) == ("too long", "context_length_exceeded", 64)
