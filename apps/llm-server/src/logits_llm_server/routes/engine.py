"""The engine's state for people: which model, how far, and why not further."""

from typing import Any

from litestar import get
from litestar.di import NamedDependency

from logits_llm_server.state import EngineState


@get("/engine", operation_id="engine", sync_to_thread=False)
def engine(state_of: NamedDependency[EngineState]) -> dict[str, Any]:
    """Return phase, message and load of the engine."""
    return state_of.document()
