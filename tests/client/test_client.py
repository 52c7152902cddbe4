"""The SDK: typed answers, typed errors, retries that never repeat a generation, streams that end honestly."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from client.scripted import answer, scripted, stream
from logits_client import (
    AsyncLogits,
    ConnectionFailedError,
    Logits,
    NotFoundError,
    OverloadedError,
    ServerError,
    StreamBrokenError,
)
from logits_client.transport import Options

COMPLETION: dict[str, Any] = {
    "id": "c1",
    "model": "logits-demo",
    "created": 1,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    "timings": {"unknown": "fields are ignored"},
}
OK = answer(200, msgspec.json.encode(COMPLETION))


def _options(url: str, retries: int = 2) -> Options:
    return Options(base_url=url, retries=retries, jitter=lambda: 0.999)


def _chunk(text: str) -> bytes:
    body = {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]}
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def test_a_chat_completion_is_typed() -> None:
    with scripted(OK) as server, Logits(options=_options(server.url)) as client:
        completion = client.chat("logits-demo", "Hi", temperature=0)
    assert completion.text == "Hello."
    assert completion.usage is not None
    assert completion.usage.total_tokens == 5
    sent = msgspec.json.decode(server.requests[0].split(b"\r\n\r\n", 1)[1])
    assert sent == {"model": "logits-demo", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0}


def test_an_openai_error_keeps_its_code_field_and_request_id() -> None:
    body = b'{"error":{"message":"no model x; there are: y","type":"invalid_request_error","param":"model","code":"model_not_found"}}'  # noqa: E501
    with (
        scripted(answer(404, body, "x-request-id: req-1\r\n")) as server,
        Logits(options=_options(server.url)) as client,
        pytest.raises(NotFoundError, match="there are: y") as caught,
    ):
        client.chat("x", "Hi")
    assert (caught.value.code, caught.value.param, caught.value.request_id) == (
        "model_not_found",
        "model",
        "req-1",
    )


def test_a_status_error_names_the_field() -> None:
    body = (
        b'{"kind":"Status","reason":"Invalid","message":"too small","code":422,"details":{"field":"spec.maxReplicas"}}'
    )
    with (
        scripted(answer(422, body)) as server,
        Logits(options=_options(server.url)) as client,
        pytest.raises(Exception, match="too small") as caught,
    ):
        client.deployments.scale("demo", maximum=0)
    assert caught.value.param == "spec.maxReplicas"  # type: ignore[attr-defined]


def test_an_overload_is_retried_as_the_server_asks() -> None:
    busy = answer(503, b'{"error":{"message":"waking","type":"x","param":null,"code":"waking"}}', "retry-after: 0\r\n")
    with scripted(busy, OK) as server, Logits(options=_options(server.url)) as client:
        assert client.chat("logits-demo", "Hi").text == "Hello."
    assert len(server.requests) == 2


def test_a_failed_generation_is_not_repeated() -> None:
    with (
        scripted(answer(502, b"{}")) as server,
        Logits(options=_options(server.url)) as client,
        pytest.raises(ServerError),
    ):
        client.chat("logits-demo", "Hi")
    assert len(server.requests) == 1


def test_retries_are_bounded() -> None:
    busy = answer(503, b"{}", "retry-after: 0\r\n")
    with (
        scripted(busy, busy) as server,
        Logits(options=_options(server.url, retries=1)) as client,
        pytest.raises(OverloadedError),
    ):
        client.models()
    assert len(server.requests) == 2


def test_nobody_there_says_what_to_look_at() -> None:
    with Logits(options=_options("http://127.0.0.1:9", retries=0)) as client:
        with pytest.raises(ConnectionFailedError, match="logits status"):
            client.models()


def test_a_stream_yields_its_text() -> None:
    body = b": keep-alive\n\n" + _chunk("Hel") + _chunk("lo") + b"data: [DONE]\n\n"
    with scripted(stream(body)) as server, Logits(options=_options(server.url)) as client:
        with client.chat_stream("m", "Hi") as chunks:
            assert "".join(chunk.text for chunk in chunks) == "Hello"


@pytest.mark.parametrize("complete", [True, False])
def test_a_stream_without_its_end_is_an_error(complete: bool) -> None:
    with (
        scripted(stream(_chunk("Hel"), complete=complete)) as server,
        Logits(options=_options(server.url)) as client,
    ):
        with client.chat_stream("m", "Hi") as chunks:
            assert next(chunks).text == "Hel"
            with pytest.raises(StreamBrokenError):
                next(chunks)


def test_an_error_inside_a_stream_is_raised() -> None:
    body = _chunk("Hel") + b'data: {"error":{"message":"the engine died","code":"upstream_failed"}}\n\ndata: [DONE]\n\n'
    with scripted(stream(body)) as server, Logits(options=_options(server.url)) as client:
        with client.chat_stream("m", "Hi") as chunks, pytest.raises(ServerError, match="the engine died"):
            list(chunks)


def test_leaving_a_stream_closes_the_connection() -> None:
    with scripted(stream(_chunk("Hel"), complete=False), hold=True) as server:
        with Logits(options=_options(server.url)) as client, client.chat_stream("m", "Hi") as chunks:
            next(chunks)
        assert server.closed.wait(5)


@pytest.mark.anyio
async def test_the_asynchronous_twin() -> None:
    body = _chunk("Hel") + _chunk("lo") + b"data: [DONE]\n\n"
    with scripted(OK, stream(body)) as server:
        async with AsyncLogits(options=_options(server.url)) as client:
            assert (await client.chat("m", "Hi")).text == "Hello."
            async with client.chat_stream("m", "Hi") as chunks:
                assert "".join([chunk.text async for chunk in chunks]) == "Hello"


def test_the_key_is_sent_and_never_shown() -> None:
    options = Options(base_url="http://x", api_key="s3cret")
    assert "s3cret" not in repr(options)
    assert options.headers({})["authorization"] == "Bearer s3cret"


def test_importing_the_package_loads_no_http_stack() -> None:
    code = "import sys, logits_client; raise SystemExit(any(m in sys.modules for m in ('httpx', 'click', 'msgspec')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
