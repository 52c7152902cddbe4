"""The catalogue: which models callers may name, as the Entity DB last said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from logits_core.entities.model import Entity
from logits_core.errors import ErrorCode, LogitsError
from logits_core.routing import Endpoint

NAMES_SHOWN = 20
FAILED_RETRY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Catalog:
    """Reads the two caches; holds nothing itself.

    Attributes:
        deployments: Live view of the ModelDeployment entities by name.
        servers: Live view of the LLMServer entities by name.
        known: Says whether the first lists have arrived.
        requests_per_slot: Requests in flight per slot of an engine.
    """

    deployments: Mapping[str, Entity]
    servers: Mapping[str, Entity]
    known: Callable[[], bool]
    requests_per_slot: int = 4

    def enabled(self) -> list[Entity]:
        """Return the deployments that callers may name, by name."""
        return sorted((d for d in self.deployments.values() if d.spec.get("enabled")), key=lambda d: d.name)

    def require(self, model: str) -> Entity:
        """Return the deployment that a request names.

        Raises:
            LogitsError: NOT_FOUND for an unknown or disabled one, naming those that exist; UNAVAILABLE while
                nothing is known yet.
        """
        if not self.known():
            raise LogitsError(
                ErrorCode.UNAVAILABLE,
                "The API Server is starting and doesn't know the models yet. Try again shortly.",
                retry_after=1,
            )
        deployment = self.deployments.get(model)
        if deployment is not None and deployment.spec.get("enabled"):
            return deployment
        what = "doesn't exist" if deployment is None else "is disabled"
        raise LogitsError(
            ErrorCode.NOT_FOUND,
            f"The model {model[:100]!r} {what}. {self._offer()}",
            field="model",
            reason="model_not_found",
        )

    def _offer(self) -> str:
        names = [deployment.name for deployment in self.enabled()]
        if not names:
            return "No model is enabled yet: enable one in the Console."
        shown = ", ".join(names[:NAMES_SHOWN])
        return f"The models are: {shown}{', …' if len(names) > NAMES_SHOWN else ''}."

    def failure(self, deployment: Entity) -> LogitsError | None:
        """Return why a deployment has failed and isn't worth waiting for, None otherwise."""
        if deployment.status.get("stage") != "Failed":
            return None
        reason = _ready_message(deployment) or "see the Console"
        return LogitsError(
            ErrorCode.UNAVAILABLE,
            f"The model {deployment.name!r} has failed: {reason}",
            field="model",
            retry_after=FAILED_RETRY_SECONDS,
            reason="model_failed",
        )

    def endpoints(self) -> dict[str, list[Endpoint]]:
        """Return the ready LLM Servers of every deployment."""
        found: dict[str, list[Endpoint]] = {}
        for server in self.servers.values():
            spec, status = server.spec, server.status
            if status.get("phase") != "Ready" or server.metadata.deletion_timestamp:
                continue
            slots = max(1, int(status.get("slots") or 1))
            capacity = max(8, slots * self.requests_per_slot)
            endpoint = Endpoint(server.name, str(spec["address"]), int(spec["port"]), capacity)
            found.setdefault(str(spec["deployment"]), []).append(endpoint)
        return found


def _ready_message(deployment: Entity) -> str:
    for condition in cast("list[dict[str, Any]]", deployment.status.get("conditions") or []):
        if condition.get("type") == "Ready":
            return str(condition.get("message") or condition.get("reason") or "")
    return ""


def model_object(deployment: Entity) -> dict[str, Any]:
    """Return a deployment as OpenAI's model object."""
    created = deployment.metadata.creation_timestamp
    seconds = int(datetime.fromisoformat(created).timestamp()) if created else 0
    return {"id": deployment.name, "object": "model", "created": seconds, "owned_by": "logits"}
