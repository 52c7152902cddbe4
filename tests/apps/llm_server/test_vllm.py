"""The vLLM adapter against a simulated ``vllm serve``: start, probe, figures, failures, and the leash."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.llm_server.conftest import MODELS, Start

pytestmark = pytest.mark.anyio

SIMULATION = Path(__file__).with_name("simulated_vllm.py")
VLLM: dict[str, Any] = {"engine": "vllm", "source": str(MODELS / "logits-demo" / "hf")}


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    program = tmp_path / "environment" / "bin" / "vllm"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {SIMULATION} "$@"\n')
    program.chmod(0o755)
    return tmp_path / "environment"


async def test_it_is_started_probed_and_relayed_to(start: Start, installation: Path) -> None:
    async with start(VLLM, vllm_environment=installation, gpu_memory_mib=1024) as server:
        report = await server.phase("Ready")
        assert (report.status["engine"], report.status["engineVersion"]) == ("vllm", "0.32.0")
        async with httpx.AsyncClient(base_url=server.url) as http:
            arguments = (await http.get("/v1/models")).json()["arguments"]
            assert arguments[0] == "serve"
            names = arguments.index("--served-model-name")
            assert arguments[names + 1 : names + 3] == ["demo", "logits-demo"]
            assert arguments[arguments.index("--gpu-memory-utilization") + 1] == "0.250"
            unknown = await http.post("/v1/completions", json={"model": "other", "prompt": "x"})
        assert unknown.status_code == 404
        assert unknown.json()["error"] == {
            "message": "no such model",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        }
        endpoint = server.app.supervisor.endpoint
        assert endpoint is not None
        assert (await server.app.supervisor.engine.load(endpoint)).kv_usage == 0.5


async def test_an_engine_that_generates_nothing_is_quoted(
    start: Start, installation: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = {**VLLM, "engineArguments": {"broken": "true"}}
    async with start(model, vllm_environment=installation) as server:
        report = await server.phase("Failed")
        assert "it answered 500" in str(report.status["message"])
    assert "a worker died of SIGILL" in capfd.readouterr().out


async def test_an_option_it_does_not_know_is_named(start: Start, installation: Path) -> None:
    model = {**VLLM, "engineArguments": {"fail": "true"}}
    async with start(model, vllm_environment=installation) as server:
        report = await server.phase("Failed")
        assert "--fail" in str(report.status["message"])


@pytest.mark.parametrize("present", [False, True])
async def test_a_missing_installation_is_said_in_words(start: Start, installation: Path, present: bool) -> None:
    shutil.rmtree(installation / "bin")
    environment = {"vllm_environment": installation} if present else {}
    async with start(VLLM, **environment) as server:
        report = await server.phase("Failed")
        assert "vLLM is not installed here" in str(report.status["message"])
        assert "LOGITS_VLLM_ENVIRONMENT" in str(report.status["message"])


def test_the_leash_ends_its_command_with_its_own_input() -> None:
    command = [sys.executable, "-m", "logits_llm_server.engines.leash", "sleep", "600"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as leash:
        assert leash.stdin is not None
        leash.stdin.close()
        assert leash.wait(30) == 128 + 15
    failing = [*command[:3], sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen(failing, stdin=subprocess.PIPE, start_new_session=True) as leash:
        assert leash.wait(30) == 7
