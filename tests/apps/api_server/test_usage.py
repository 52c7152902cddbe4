"""Usage at the API Server: exact however a request ends, kept in the Entity DB, invisible to who didn't ask."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from apps.api_server.conftest import DEADLINE, Platform, Start
from apps.api_server.test_keys import key_for
from logits_core.usage import Counts, merged
from simulators.scripted_upstream import Script, Visit

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
TRANSCRIPTS = Path(__file__).parents[2] / "core" / "wire" / "transcripts"
ASKED = (TRANSCRIPTS / "vllm.chat.asked.sse").read_bytes()
PLAIN = (TRANSCRIPTS / "vllm.chat.plain.sse").read_bytes()


async def usage(platform: Platform, requests: int) -> dict[tuple[str, str], Counts]:
    """Wait until so many requests are written, and return the figures by key and model."""
    with anyio.fail_after(DEADLINE):
        while True:
            records, _ = await platform.entities.list("usagerecords")
            total: dict[tuple[str, str], Counts] = {}
            for row, counts in merged(records).items():
                total.setdefault((row.key, row.model), Counts()).add(counts)
            if sum(counts.requests for counts in total.values()) >= requests:
                return total
            await anyio.sleep(0.02)


def streaming(stream: bytes) -> Script:
    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.events()
            # Cut anywhere: events don't end where reads do.
            for start in range(0, len(stream), 700):
                await visit.chunk(stream[start : start + 700])
            await visit.chunk(b"")

    return script


async def test_a_stream_tells_its_usage_to_us_and_not_to_its_client(start: Start) -> None:
    async with start(usage_seconds=0.02) as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        upstream = await platform.serve("m", streaming(ASKED))
        fields = await key_for(platform, "team")
        body = '{"model":"m", "stream": true,"messages":[]}'
        response = await http.post(CHAT, content=body, headers=fields)
        assert upstream.visits[0].bodies == [body[:-1].encode() + b',"stream_options":{"include_usage":true}}']
        assert response.content.count(b"data: ") == PLAIN.count(b"data: ")
        assert b'"usage"' not in response.content
        assert response.content.endswith(b'"system_fingerprint":"vllm-0.32.0-9505a62b"}\n\ndata: [DONE]\n\n')
        asked = '{"model":"m","stream":true,"stream_options":{"include_usage":true}}'
        again = await http.post(CHAT, content=asked, headers=fields)
        assert again.content == ASKED
        assert upstream.visits[0].bodies[1] == asked.encode()
        assert await usage(platform, 2) == {("team", "m"): Counts(2, 0, 0, 0, 26, 0, 6)}


@pytest.mark.parametrize(
    ("path", "answer", "tokens"),
    [
        (CHAT, b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}', (7, 0, 3)),
        ("/v1/embeddings", b'{"usage":{"prompt_tokens":7},"data":["' + b"x" * 50_000 + b'"]}', (7, 0, 0)),
        ("/v1/messages", b'{"usage":{"input_tokens":7,"cache_read_input_tokens":4,"output_tokens":3}}', (11, 4, 3)),
        ("/v1/responses", b'{"id":"resp_1","usage":{"input_tokens":7,"output_tokens":3}}', (7, 0, 3)),
        ("/v1/tokenize", b'{"tokens":[1,2]}', (0, 0, 0)),
    ],
)
async def test_every_kind_of_answer_is_counted(start: Start, path: str, answer: bytes, tokens: Any) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(answer, fields="content-type: application/json\r\n")

    async with start(usage_seconds=0.02) as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        await platform.serve("m", script)
        response = await http.post(path, content='{"model":"m"}')
        assert response.content == answer
        assert await usage(platform, 1) == {("", "m"): Counts(1, 0, 0, 0, *tokens)}


async def test_what_the_client_left_or_the_engine_broke_is_counted_as_an_estimate(start: Start) -> None:
    broken = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.events()
        for number in range(3):
            await visit.chunk(b'data: {"choices":[{"delta":{"content":"%d"},"finish_reason":null}]}\n\n' % number)
        if broken.is_set():
            visit.reset()
        await visit.until_gone()

    async with start(usage_seconds=0.02) as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        await platform.serve("m", script)
        body = '{"model":"m","stream":true,"messages":"12345678901234567890"}'
        async with http.stream("POST", CHAT, content=body) as response:
            lines = response.aiter_lines()
            while '"2"' not in await anext(lines):
                pass
        assert await usage(platform, 1) == {("", "m"): Counts(1, 0, 1, 1, len(body) // 4, 0, 3)}
        broken.set()
        assert "in the middle" in (await http.post(CHAT, content=body)).text
        assert await usage(platform, 2) == {("", "m"): Counts(2, 1, 1, 2, 2 * (len(body) // 4), 0, 6)}


async def test_a_refusal_of_the_engine_costs_no_tokens(start: Start) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.answer(b'{"error":{"message":"too long","code":400}}', status="400 Bad Request")

    async with start(usage_seconds=0.02) as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        await platform.serve("m", script)
        fields = await key_for(platform, "team", tokensPerMinute=1000)
        refused = await http.post(CHAT, content='{"model":"m"}', headers=fields)
        assert refused.status_code == 400
        assert await usage(platform, 1) == {("team", "m"): Counts(1, 1, 0, 0, 0, 0, 0)}


async def test_what_the_engine_tells_settles_the_limit(start: Start) -> None:
    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.answer(b'{"usage":{"prompt_tokens":600,"completion_tokens":600}}')

    async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
        await platform.deploy("m")
        await platform.serve("m", script)
        fields = await key_for(platform, "team", tokensPerMinute=1000)
        assert (await http.post(CHAT, content='{"model":"m"}', headers=fields)).status_code == 200
        over = await http.post(CHAT, content='{"model":"m"}', headers=fields)
        assert over.status_code == 429
        assert "tokens per minute" in over.json()["error"]["message"]


async def test_usage_survives_restarts_and_several_processes(start: Start, tmp_path: Path) -> None:
    for round_number in (1, 2):
        async with start() as platform, httpx.AsyncClient(base_url=platform.url) as http:
            if round_number == 1:
                await platform.deploy("m")
            await platform.serve("m", pod=f"pod-{round_number}")
            if round_number == 2:
                await platform.entities.delete("llmservers", "pod-1")
                await platform.until(lambda: list(platform.app.router.in_flight("m")) == ["pod-2"])
            assert (await http.post(CHAT, content='{"model":"m"}')).status_code == 200
    async with start() as platform:
        assert (await usage(platform, 2))["", "m"].requests == 2
