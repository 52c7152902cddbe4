"""llama.cpp: its server runs in a child process from the xllamacpp wheel; any GGUF model."""

import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import anyio.to_thread
import msgspec

from logits_core.engines.diagnosis import Ending, explain_ending
from logits_core.engines.launch import llamacpp_launch
from logits_core.engines.load import EngineLoad, llamacpp_load
from logits_core.engines.served_model import ServedModel
from logits_core.engines.weights import check_weights, threads_for
from logits_core.errors import ErrorCode, LogitsError
from logits_llm_server.adapters.child import child_process, no_lines
from logits_llm_server.adapters.disk import look_at
from logits_llm_server.adapters.openai_probe import EngineApi
from logits_llm_server.engine import Endpoint

CHILD = "logits_llm_server.engines.llamacpp_child"


class _Event(msgspec.Struct, frozen=True):
    event: str
    address: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamacppEngine:
    """Serves one GGUF file.

    Attributes:
        model: what is served.
        path: of the file.
        alias: name that answers carry.
        api: for probes and figures.
        environment: of the child.
        cpus: CPUs that this process may use.
        threads: threads for generation; 0 chooses by the size of the weights.
        stop_seconds: grace before the child is killed.
        last_lines: what the child wrote last.
    """

    model: ServedModel
    path: Path
    alias: str
    api: EngineApi
    environment: Mapping[str, str]
    cpus: int
    threads: int = 0
    stop_seconds: float = 10.0
    name: str = "llamacpp"
    last_lines: deque[str] = field(default_factory=no_lines)

    async def run(self, on_loaded: Callable[[Endpoint], None]) -> Ending:
        """See ``Engine.run``."""
        found = await anyio.to_thread.run_sync(look_at, self.path)
        check_weights(self.model, found)
        threads = self.threads or threads_for(found.size_bytes, self.cpus)
        launch = llamacpp_launch(self.model, path=str(self.path), alias=self.alias, threads=threads)
        command = [sys.executable, "-m", CHILD, msgspec.json.encode(launch).decode()]
        async with child_process(
            command, self.environment, last_lines=self.last_lines, stop_seconds=self.stop_seconds
        ) as child:
            async with aclosing(child.output()) as lines:
                async for line in lines:
                    event = msgspec.json.decode(line, type=_Event)
                    if event.event == "listening":
                        on_loaded(_endpoint(event))
            return explain_ending(await child.wait(), list(child.last_lines))

    async def probe(self, endpoint: Endpoint) -> None:
        """See ``Engine.probe``."""
        await self.api.probe(endpoint)

    async def load(self, endpoint: Endpoint) -> EngineLoad:
        """See ``Engine.load``."""
        metrics = await self.api.read(endpoint, "/metrics")
        slots = await self.api.read(endpoint, "/slots")
        try:
            return llamacpp_load(metrics.decode(), slots)
        except ValueError as error:
            raise LogitsError(ErrorCode.UPSTREAM_FAILED, f"llama.cpp's figures are not understood: {error}") from error


def _endpoint(event: _Event) -> Endpoint:
    parts = urlsplit(event.address)
    return Endpoint(parts.hostname or "127.0.0.1", parts.port or 0, event.version)
