"""The state that the LLM Server shows to people who look at it directly."""

from dataclasses import dataclass

from logits_core.engines.served_model import ServedModel
from logits_core.entities.model import JsonObject
from logits_llm_server.loop import EngineSupervisor
from logits_llm_server.relaying import Traffic


@dataclass(frozen=True, slots=True)
class EngineState:
    """One engine, its model, and the requests under way."""

    model: ServedModel
    deployment: str
    supervisor: EngineSupervisor
    traffic: Traffic

    def document(self) -> JsonObject:
        """Return it as JSON."""
        return {
            "deployment": self.deployment,
            "model": self.model.name,
            "engine": self.supervisor.engine.name,
            "engineVersion": self.supervisor.version,
            "phase": self.supervisor.plan.phase.value,
            "message": self.supervisor.plan.message,
            "inFlight": self.traffic.in_flight,
        }
