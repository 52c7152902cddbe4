"""Direct against proxied: what an engine says arrives as it said it, ids and times aside."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import httpx
import pytest

from wire.chain import DEADLINE, MODEL, Chain

HEADERS = {"content-type", "access-control-allow-origin", "server", "vary"}
"""Fields of an engine that must arrive; framing, dates and ours are the proxies' own."""
VOLATILE = re.compile(rb'"(id|item_id|created|created_at|completed_at)":("[^"]*"|[0-9.]+)')
TIMES = re.compile(
    rb'("[a-z_]+_(?:ms|per_second)"|"(?:cache_n|prompt_n|cached_tokens|created_cache_tokens)"):[0-9.e+-]+'
)
CACHED = re.compile(rb'"(cache_read_input_tokens|input_tokens)":[0-9]+')
CHAT: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "What is the Gateway?"}],
    "max_tokens": 12,
    "temperature": 0,
    "unknown_to_us": {"kept": [1.0, 1e3]},
}
TEXT = {"model": MODEL, "prompt": "The Gateway is", "max_tokens": 8, "temperature": 0}
RESPONSE = {"model": MODEL, "input": "What is the Gateway?", "max_output_tokens": 8, "temperature": 0}
ROUNDS = 8
USAGE = {"stream_options": {"include_usage": True}}
STREAM = {"stream": True}
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("/v1/chat/completions", "/v1/chat/completions", CHAT),
    ("/v1/chat/completions", "/v1/chat/completions", CHAT | STREAM),
    ("/v1/chat/completions", "/v1/chat/completions", CHAT | STREAM | USAGE),
    ("/v1/chat/completions", "/v1/chat/completions", CHAT | STREAM | {"n": 1, "logprobs": True, "top_logprobs": 2}),
    ("/v1/completions", "/v1/completions", TEXT),
    ("/v1/completions", "/v1/completions", TEXT | STREAM),
    ("/v1/completions", "/v1/completions", TEXT | STREAM | USAGE),
    ("/v1/responses", "/v1/responses", RESPONSE),
    ("/v1/responses", "/v1/responses", RESPONSE | STREAM),
    ("/v1/messages", "/v1/messages", CHAT),
    ("/v1/messages", "/v1/messages", CHAT | STREAM),
    ("/v1/messages/count_tokens", "/v1/messages/count_tokens", CHAT),
    ("/v1/tokenize", "/tokenize", {"model": MODEL, "content": "Hello there", "prompt": "Hello there"}),
    ("/v1/detokenize", "/detokenize", {"model": MODEL, "tokens": [1822, 81, 565]}),
]


def settled(body: bytes) -> bytes:
    """The body without what differs between any two answers of the same engine."""
    body = VOLATILE.sub(rb'"\1":_', body)
    body = TIMES.sub(rb"\1:_", body)
    # How much of a prompt was cached moves tokens between these two.
    return CACHED.sub(rb'"\1":_', body)


def ask(url: str, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(url + path, json=body, timeout=DEADLINE)


@pytest.mark.parametrize(
    ("path", "engine_path", "body"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_answer_arrives_as_the_engine_gave_it(
    running: Chain, path: str, engine_path: str, body: dict[str, Any]
) -> None:
    direct = running.engine_url()
    ask(direct, engine_path, body)
    ours: set[bytes] = set()
    theirs: set[bytes] = set()
    # An engine may cut the same words into other events each time: one of its ways must be ours.
    for _ in range(ROUNDS):
        one, proxied = ask(direct, engine_path, body), ask(running.url, path, body)
        assert proxied.status_code == one.status_code == 200
        assert {n: proxied.headers.get(n) for n in HEADERS} == {n: one.headers.get(n) for n in HEADERS}
        assert proxied.headers["x-request-id"]
        assert proxied.headers["openai-processing-ms"].isdecimal()
        theirs.add(settled(one.content))
        ours.add(settled(proxied.content))
        if ours & theirs:
            return
    assert min(ours) == min(theirs)


@pytest.mark.parametrize(
    "body",
    [
        CHAT | {"messages": 3},
        CHAT | {"messages": [{"role": "user", "content": "word " * 4000}]},
        CHAT | {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "nonsense"}}}},
    ],
)
def test_an_engines_refusal_keeps_its_status_and_message(running: Chain, body: dict[str, Any]) -> None:
    direct, proxied = (ask(url, "/v1/chat/completions", body) for url in (running.engine_url(), running.url))
    assert proxied.status_code == direct.status_code
    theirs, ours = direct.json()["error"], proxied.json()["error"]
    assert ours["message"] == theirs["message"]
    assert ours.keys() >= {"message", "type", "param", "code"}
    assert ours["code"] is None or isinstance(ours["code"], str)


def test_curl_streams_line_by_line(running: Chain) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine")
    body = json.dumps(CHAT | STREAM)
    command = [curl, "-sN", "-i", f"{running.url}/api/v1/chat/completions", "-d", body]
    command += ["-H", "content-type: application/json", "-H", "x-request-id: from-curl"]
    said = subprocess.run(command, capture_output=True, timeout=DEADLINE, check=True).stdout
    head, _, rest = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"x-request-id: from-curl" in head
    assert b"text/event-stream" in head
    assert rest.endswith(b"data: [DONE]\n\n")
    refused = subprocess.run(
        [curl, "-s", "-w", " %{http_code}", f"{running.url}/v1/nothing"], capture_output=True, timeout=DEADLINE
    ).stdout
    assert refused.endswith(b" 404")
    assert b'"code":"unknown_url"' in refused
