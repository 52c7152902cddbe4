"""llama.cpp with real weights behind the LLM Server: answers, errors, crashes, and reasons in words."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from apps.llm_server.conftest import DEADLINE, DEMO, Running, Start

pytestmark = pytest.mark.anyio

QUESTION = {"model": "demo", "messages": [{"role": "user", "content": "What is the Gateway?"}]}
LONG: dict[str, Any] = {"prompt": "Hello", "max_tokens": 1900, "ignore_eos": True, "stream": True}


def engine_pid() -> int:
    """The engine's process: the one child of this process that runs the llama.cpp program."""
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == os.getpid() and b"llamacpp_child" in command:
            return int(entry.name)
    raise AssertionError("no engine is running")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def idle(server: Running) -> None:
    """Wait until no request is under way in the engine itself."""
    endpoint = server.app.supervisor.endpoint
    assert endpoint is not None
    with anyio.fail_after(DEADLINE):
        while (await server.app.supervisor.engine.load(endpoint)).running:
            await anyio.lowlevel.checkpoint()


async def test_real_words_come_out(start: Start) -> None:
    async with start() as server, httpx.AsyncClient(base_url=server.url, timeout=DEADLINE) as http:
        report = await server.phase("Ready")
        assert report.spec == {
            "deployment": "demo",
            "model": "logits-demo",
            "address": "127.0.0.1",
            "port": 8080,
        }
        assert (report.status["engine"], report.status["slots"]) == ("llamacpp", 2)
        assert report.status["engineVersion"]
        assert server.app.telemetry.health.ready
        answer = (await http.post("/v1/chat/completions", json=QUESTION)).json()
        assert answer["model"] == "demo"
        assert "Gateway" in answer["choices"][0]["message"]["content"]
        async with http.stream("POST", "/v1/chat/completions", json={**QUESTION, "stream": True}) as stream:
            lines = [line async for line in stream.aiter_lines() if line]
        assert lines[-1] == "data: [DONE]"
        text = "".join(json.loads(line[6:])["choices"][0]["delta"].get("content") or "" for line in lines[:-1])
        assert "Gateway" in text
        assert (await http.get("/v1/models")).json()["data"][0]["id"] == "demo"
        assert (await http.get("/engine")).json()["phase"] == "Ready"
        assert server.metric("logits_llm_server_requests_total", outcome="complete") == 3
        assert server.app.supervisor.version in str(report.status["engineVersion"])


async def test_errors_speak_openais_dialect(start: Start) -> None:
    async with start() as server, httpx.AsyncClient(base_url=server.url, timeout=DEADLINE) as http:
        await server.phase("Ready")
        cases: list[tuple[str, str, Any, int]] = [
            ("POST", "/v1/chat/completions", {"messages": 1}, 400),
            ("POST", "/v1/completions", {"prompt": "x " * 5000, "max_tokens": 1}, 400),
            ("POST", "/v1/embeddings", {"input": "x"}, 501),
            ("POST", "/v1/load_lora_adapter", {}, 404),
            ("GET", "/slots", None, 404),
            ("DELETE", "/engine", None, 405),
        ]
        for method, path, body, status in cases:
            answer = await http.request(method, path, json=body)
            assert answer.status_code == status, f"{path}: {answer.text}"
            error = answer.json()["error"]
            assert {"message", "type", "param", "code"} <= error.keys()
            assert error["code"] is None or isinstance(error["code"], str)
        too_long = await http.post("/v1/completions", json={"prompt": "x " * 5000, "max_tokens": 1})
        assert too_long.json()["error"]["code"] == "context_length_exceeded"


async def test_clients_that_leave_stop_their_generations(start: Start) -> None:
    limits = httpx.Limits(max_connections=None)
    async with (
        start({"parallel": 1, "contextLength": 4096}) as server,
        httpx.AsyncClient(base_url=server.url, timeout=DEADLINE, limits=limits) as http,
    ):
        await server.phase("Ready")
        body = {**LONG, "max_tokens": 4000}
        async with anyio.create_task_group() as clients:
            for _ in range(20):
                clients.start_soon(functools.partial(http.post, "/v1/completions", json=body))
            with anyio.fail_after(DEADLINE):
                await server.reports.wait_until(
                    lambda items: items["pod-1"].status["running"] == 1 and items["pod-1"].status["waiting"] > 10
                )
            assert server.metric("logits_llm_server_requests_in_flight") > 10
            clients.cancel_scope.cancel()
        with anyio.fail_after(DEADLINE):
            await server.reports.wait_until(lambda items: items["pod-1"].status["running"] == 0)
        await idle(server)
        assert server.metric("logits_llm_server_requests_in_flight") == 0
        assert server.metric("logits_llm_server_requests_total", outcome="client_gone") > 10


async def read_and_kill(http: httpx.AsyncClient) -> None:
    async with http.stream("POST", "/v1/completions", json=LONG) as stream:
        chunks = stream.aiter_bytes()
        await anext(chunks)
        os.kill(engine_pid(), signal.SIGKILL)
        async for _ in chunks:
            pass


async def test_a_crash_within_an_answer_is_seen_and_survived(start: Start) -> None:
    async with start() as server, httpx.AsyncClient(base_url=server.url, timeout=DEADLINE) as http:
        await server.phase("Ready")
        with pytest.raises(httpx.RemoteProtocolError):
            await read_and_kill(http)
        failed = await server.phase("Starting")
        assert "SIGKILL" in str(failed.status["message"])
        refused = await http.post("/v1/chat/completions", json=QUESTION)
        if refused.status_code != 200:
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"]["code"] in {"model_not_ready", "engine_failed"}
        await server.phase("Ready")
        assert (await http.post("/v1/chat/completions", json=QUESTION)).status_code == 200
        assert server.metric("logits_llm_server_engine_starts_total") == 2


async def test_draining_lets_answers_finish_and_ends_the_engine(start: Start) -> None:
    async with start() as server, httpx.AsyncClient(base_url=server.url, timeout=DEADLINE) as http:
        await server.phase("Ready")
        pid = engine_pid()
        body = {**LONG, "max_tokens": 200}
        async with http.stream("POST", "/v1/completions", json=body) as stream:
            chunks = stream.aiter_bytes()
            received = await anext(chunks)
            server.app.telemetry.health.set("process", ready=False, reason="stopping")
            await server.phase("Draining")
            async for chunk in chunks:
                received += chunk
        assert received.endswith(b"data: [DONE]\n\n")
        with anyio.fail_after(DEADLINE):
            await server.reports.wait_until(lambda items: "has stopped" in items["pod-1"].status["message"])
        assert not alive(pid)
        assert (await http.post("/v1/completions", json=body)).status_code == 503
        await server.app.reporter.withdraw()
        with anyio.fail_after(DEADLINE):
            await server.reports.wait_until(lambda items: not items)


async def test_the_engine_is_gone_with_the_server(start: Start) -> None:
    async with start() as server:
        await server.phase("Ready")
        pid = engine_pid()
    assert not alive(pid)


def test_the_engine_does_not_outlive_a_killed_server(tmp_path: Path) -> None:
    launch = {"model": str(DEMO), "alias": "a", "context": 512, "slots": 1, "threads": 1}
    argument = json.dumps({**launch, "flags": {}, "integers": {}, "texts": {}})
    command = [sys.executable, "-m", "logits_llm_server.engines.llamacpp_child", argument]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert json.loads(child.stdout.readline())["event"] == "loading"
        assert json.loads(child.stdout.readline())["event"] == "listening"
        child.stdin.close()
        assert child.wait(DEADLINE) == 0


@pytest.mark.parametrize(
    ("name", "content", "model", "words"),
    [
        ("missing.gguf", None, {}, "no weights"),
        ("text.gguf", b"hello, I am no model", {}, "not a GGUF model"),
        ("half.gguf", DEMO.read_bytes()[:2_000_000], {}, "incomplete or damaged"),
        ("good.gguf", DEMO.read_bytes(), {"memoryMiB": 2}, "budget is 2 MiB"),
        ("good.gguf", DEMO.read_bytes(), {"engineArguments": {"api_keys": "x"}}, "not offered"),
    ],
)
async def test_what_cannot_be_served_says_why(
    start: Start, tmp_path: Path, name: str, content: bytes | None, model: dict[str, Any], words: str
) -> None:
    weights = tmp_path / "models"
    weights.mkdir()
    if content is not None:
        (weights / name).write_bytes(content)
    async with start({"source": name, **model}, models_directory=weights) as server:
        report = await server.phase("Failed")
        assert words in str(report.status["message"])
        assert not server.app.telemetry.health.ready
        async with httpx.AsyncClient(base_url=server.url) as http:
            refused = await http.post("/v1/chat/completions", json=QUESTION)
        assert refused.status_code == 503
        assert words in refused.json()["error"]["message"]


async def test_a_report_that_vanishes_is_written_again(start: Start) -> None:
    async with start() as server:
        await server.phase("Ready")
        await server.app.reporter.withdraw()
        with anyio.fail_after(DEADLINE):
            await server.reports.wait_until(lambda items: not items)
        server.app.telemetry.health.set("process", ready=False, reason="stopping")
        await server.phase("Draining")
