"""The engine port: what an LLM Server needs of llama.cpp, vLLM, or whatever comes next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from logits_core.engines.diagnosis import Ending
from logits_core.engines.load import EngineLoad


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a loaded engine answers, on loopback, and which version it is."""

    host: str
    port: int
    version: str

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self.host}:{self.port}"


class Engine(Protocol):
    """Runs one model in a process of its own that speaks OpenAI's HTTP API."""

    @property
    def name(self) -> str:
        """The engine's name, as in a LanguageModel's spec."""
        ...

    @property
    def last_lines(self) -> Sequence[str]:
        """What the process wrote last, oldest first; still there after it has gone."""
        ...

    async def run(self, on_loaded: Callable[[Endpoint], None]) -> Ending:
        """Run the process until it ends by itself; cancelling ends it within its grace time.

        Args:
            on_loaded: called once the weights are in memory and the process listens.

        Raises:
            LogitsError: ``INVALID`` when the model cannot be served as it is; the message says why.
        """
        ...

    async def probe(self, endpoint: Endpoint) -> None:
        """Let the engine generate one real token.

        Raises:
            LogitsError: ``UPSTREAM_FAILED`` when it didn't.
        """
        ...

    async def load(self, endpoint: Endpoint) -> EngineLoad:
        """Return what the engine publishes of its load.

        Raises:
            LogitsError: ``UPSTREAM_FAILED`` when it publishes nothing that can be understood.
        """
        ...
