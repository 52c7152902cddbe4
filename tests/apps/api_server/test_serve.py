"""`logits serve`: the real command in front of engines that know nothing of Logits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest

from apps.api_server.conftest import DEADLINE
from logits_api_server.adapters.endpoints import Address
from logits_api_server.alone import address_of
from logits_core.errors import LogitsError
from simulators.scripted_upstream import Script, Visit, scripted_upstream

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
SERVE = [sys.executable, "-m", "logits_api_server.serve"]


def engine(*models: str, owner: str = "vllm") -> Script:
    async def script(visit: Visit) -> None:
        while True:
            head = await visit.request()
            if head.startswith(b"GET /health"):
                await visit.answer(b"")
            elif head.startswith(b"GET /v1/models"):
                found = [{"id": model, "owned_by": owner} for model in models]
                await visit.answer(json.dumps({"object": "list", "data": found}).encode())
            else:
                body = b'{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}'
                await visit.answer(body, fields="content-type: application/json\r\n")

    return script


@asynccontextmanager
async def served(*arguments: str) -> AsyncGenerator[str]:
    """Run the command on free ports inside the block."""
    command = [*SERVE, "--port", "0", "--metrics-port", "0", *arguments]
    async with await anyio.open_process(command, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        said = b""
        with anyio.fail_after(30):
            while not (port := re.search(rb"serves http on (\d+)", said)):
                said += await process.stdout.receive()
        try:
            yield f"http://127.0.0.1:{port[1].decode()}"
        finally:
            process.terminate()
            with anyio.fail_after(DEADLINE):
                assert await process.wait() == 0


def make_key(keys: Path, *limits: str) -> subprocess.CompletedProcess[str]:
    make = [sys.executable, "-c", "from logits_api_server.serve import serve_key; serve_key()"]
    return subprocess.run([*make, "team", "--keys", str(keys), *limits], capture_output=True, text=True)


def test_a_key_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    key = make_key(keys).stdout.strip()
    assert key.rpartition("_")[2] not in keys.read_text()
    assert keys.stat().st_mode & 0o077 == 0
    again = make_key(keys)
    assert again.returncode == 2
    assert "already" in again.stderr


async def test_engines_are_found_served_and_counted(tmp_path: Path) -> None:
    keys, usage = tmp_path / "keys.json", tmp_path / "usage"
    key = make_key(keys).stdout.strip()
    async with scripted_upstream(engine("org/model-A")) as one, scripted_upstream(engine("b", owner="llamacpp")) as two:
        endpoints = [f"--endpoint=http://{each.host}:{each.port}" for each in (one, two)]
        async with served(*endpoints, "--keys", str(keys), "--usage", str(usage)) as url:
            async with httpx.AsyncClient(base_url=url, timeout=DEADLINE) as http:
                assert (await http.post(CHAT, content=b'{"model":"b"}')).status_code == 401
                http.headers["authorization"] = f"Bearer {key}"
                assert [m["id"] for m in (await http.get("/v1/models")).json()["data"]] == ["b", "org/model-A"]
                assert (await http.get("/v1/models/org/model-A")).json()["id"] == "org/model-A"
                for model in ("org/model-A", "b"):
                    assert (await http.post(CHAT, content=json.dumps({"model": model}))).status_code == 200
                score = await http.post("/v1/score", content=b'{"model":"b"}')
                assert score.json()["error"]["code"] == "unsupported_operation"
    # Told to stop, it still writes what was used.
    written = "".join(path.read_text() for path in usage.glob("*.csv"))
    assert "team,org/model-A,1,0,0,0,2,0,3" in written
    assert "team,b,1,0,0,0,2,0,3" in written


async def test_an_engine_that_comes_later_is_found(free_tcp_port: int) -> None:
    async with scripted_upstream(engine("here")) as here:
        later = f"--endpoint=127.0.0.1:{free_tcp_port}"
        async with served(f"--endpoint={here.host}:{here.port}", later) as url:
            async with httpx.AsyncClient(base_url=url, timeout=DEADLINE) as http:
                assert (await http.post(CHAT, content=b'{"model":"later"}')).status_code == 404
                async with scripted_upstream(engine("later"), port=free_tcp_port):
                    with anyio.fail_after(DEADLINE):
                        while (await http.post(CHAT, content=b'{"model":"later"}')).status_code != 200:
                            await anyio.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--endpoint"),
        (["--endpoint", "https://a"], "is no endpoint"),
        (["--endpoint", "http://a:1", "--port", "99999"], "http_port"),
        (["--endpoint", "http://a:1", "--keys", "/nowhere"], "is no file of keys"),
    ],
)
def test_what_cannot_be_used_is_named(arguments: list[str], said: str) -> None:
    run = subprocess.run([*SERVE, *arguments], capture_output=True, text=True)
    assert run.returncode == 2
    assert said in run.stderr


def test_addresses() -> None:
    assert address_of("http://10.0.0.1:8000/v1") == Address("10.0.0.1", 8000)
    assert str(address_of("http://[::1]:8000")) == "[::1]:8000"
    assert address_of("engine:8000") == Address("engine", 8000)
    for bad in ("https://a:1", "http://", "http://a:1/path", "http://a:x", "http://a:0"):
        with pytest.raises(LogitsError):
            address_of(bad)
