"""vLLM: ``vllm serve`` runs as a child from a virtual environment of its own."""

import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import anyio
import anyio.to_thread
import msgspec

from logits_core.engines.diagnosis import Ending, explain_ending
from logits_core.engines.launch import VllmPlace, vllm_arguments, vllm_variables
from logits_core.engines.load import EngineLoad, vllm_load
from logits_core.engines.served_model import ServedModel
from logits_core.engines.weights import check_weights
from logits_core.errors import ErrorCode, LogitsError
from logits_llm_server.adapters.child import Child, child_process, no_lines
from logits_llm_server.adapters.disk import look_at
from logits_llm_server.adapters.openai_probe import EngineApi
from logits_llm_server.engine import Endpoint

LEASH: Final = "logits_llm_server.engines.leash"
LOOPBACK: Final = "127.0.0.1"
HEALTH_PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class VllmEngine:
    """Serves one Hugging Face folder.

    Attributes:
        model: what is served.
        path: of the folder.
        aliases: names under which the model answers, the deployment's first.
        api: for probes and figures.
        environment: of the child.
        installation: virtual environment that holds vLLM; None when the setting is empty.
        gpu_memory_mib: memory of one GPU, MiB; 0 if unknown.
        stop_seconds: grace before the child is killed.
        last_lines: what the child wrote last.
    """

    model: ServedModel
    path: Path
    aliases: tuple[str, ...]
    api: EngineApi
    environment: Mapping[str, str]
    installation: Path | None
    gpu_memory_mib: int = 0
    stop_seconds: float = 10.0
    name: str = "vllm"
    last_lines: deque[str] = field(default_factory=no_lines)

    async def run(self, on_loaded: Callable[[Endpoint], None]) -> Ending:
        """See ``Engine.run``."""
        program = self._program()
        check_weights(self.model, await anyio.to_thread.run_sync(look_at, self.path))
        place = VllmPlace(_free_port(), self.gpu_memory_mib)
        arguments = vllm_arguments(self.model, path=str(self.path), aliases=self.aliases, place=place)
        command = [sys.executable, "-m", LEASH, str(program), *arguments]
        environment = {**self.environment, **vllm_variables(self.model)}
        async with child_process(
            command, environment, last_lines=self.last_lines, stop_seconds=self.stop_seconds
        ) as child:
            async with anyio.create_task_group() as group:
                group.start_soon(self._announce, place.port, on_loaded)
                await _keep_output(child)
                group.cancel_scope.cancel()
            return explain_ending(await child.wait(), list(child.last_lines))

    async def probe(self, endpoint: Endpoint) -> None:
        """See ``Engine.probe``."""
        await self.api.probe(endpoint)

    async def load(self, endpoint: Endpoint) -> EngineLoad:
        """See ``Engine.load``."""
        metrics = await self.api.read(endpoint, "/metrics")
        try:
            return vllm_load(metrics.decode())
        except ValueError as error:
            raise LogitsError(ErrorCode.UPSTREAM_FAILED, f"vLLM's figures are not understood: {error}") from error

    def _program(self) -> Path:
        if self.installation is None:
            problem = "LOGITS_VLLM_ENVIRONMENT is not set"
        else:
            program = self.installation / "bin" / "vllm"
            if program.is_file():
                return program
            problem = f"there is no {program}"
        raise LogitsError(
            ErrorCode.INVALID,
            f"vLLM is not installed here: {problem}. Install it into a virtual environment of its own and name "
            "that in LOGITS_VLLM_ENVIRONMENT, or choose a model with the engine llamacpp.",
            field="LOGITS_VLLM_ENVIRONMENT",
        )

    async def _announce(self, port: int, on_loaded: Callable[[Endpoint], None]) -> None:
        """Ask until vLLM is healthy; it has no other way to say so."""
        endpoint = Endpoint(LOOPBACK, port, "")
        while True:
            with suppress(LogitsError):
                await self.api.read(endpoint, "/health")
                answer = msgspec.json.decode(await self.api.read(endpoint, "/version"))
                version = str(cast("dict[str, Any]", answer).get("version", ""))
                on_loaded(Endpoint(LOOPBACK, port, version))
                return
            await anyio.sleep(HEALTH_PAUSE_SECONDS)


async def _keep_output(child: Child) -> None:
    """Read what vLLM prints, and keep its end beside what it writes as errors."""
    async with aclosing(child.output()) as lines:
        async for line in lines:
            child.last_lines.append(line)


def _free_port() -> int:
    """Return a loopback port that nobody listens on now; should somebody take it, vLLM is started again."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
