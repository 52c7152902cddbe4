"""The catalogue: which models callers may name, as the Entity DB last said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, cast

from logits_core.entities.model import Entity
from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys import Grant
from logits_core.routing import Endpoint
from logits_core.wire import Operation
from logits_core.wire.surface import ENGINES

NAMES_SHOWN = 20
FAILED_RETRY_SECONDS = 30
ANYBODY: Final = Grant()


class Catalog:
    """Reads the two caches; holds little itself.

    Args:
        deployments: Live view of the ModelDeployment entities by name.
        servers: Live view of the LLMServer entities by name.
        heard: Says whether the first lists have arrived.
        requests_per_slot: Requests in flight per slot of an engine.
    """

    __slots__ = ("_engines", "_heard", "_known", "_requests_per_slot", "deployments", "servers")

    def __init__(
        self,
        deployments: Mapping[str, Entity],
        servers: Mapping[str, Entity],
        heard: Callable[[], bool],
        requests_per_slot: int = 4,
    ) -> None:
        self.deployments = deployments
        self.servers = servers
        self._heard = heard
        self._known = False
        self._requests_per_slot = requests_per_slot
        self._engines: dict[str, frozenset[str]] = {}

    def known(self) -> bool:
        """Say whether the first lists have arrived; what was known once isn't forgotten."""
        if not self._known:
            self._known = self._heard()
        return self._known

    def enabled(self) -> list[Entity]:
        """Return the deployments that callers may name, by name."""
        return sorted((d for d in self.deployments.values() if d.spec.get("enabled")), key=lambda d: d.name)

    def require(self, model: str, grant: Grant = ANYBODY) -> Entity:
        """Return the deployment that a request names.

        Args:
            model: The name.
            grant: What the caller may hear of.

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
            f"The model {model[:100]!r} {what}. {self._offer(grant)}",
            field="model",
            reason="model_not_found",
        )

    def _offer(self, grant: Grant) -> str:
        names = [deployment.name for deployment in self.enabled() if grant.allows(deployment.name)]
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

    def check_offered(self, model: str, operation: Operation) -> None:
        """Let an operation pass that the model's engine has, as far as the engine is known.

        Raises:
            LogitsError: INVALID, naming the engine.
        """
        if not self.offers(model, operation):
            names = ", ".join(sorted(self._engines[model]))
            raise unsupported(model, operation, f"It runs on {names}, which has no such thing.")

    def offers(self, model: str, operation: Operation) -> bool:
        """Say whether a model's engine has an operation, as far as the engine is known."""
        engines = self._engines.get(model)
        return not engines or bool(engines & operation.engines)

    def refresh(self) -> None:
        """Gather what requests ask for often; call when the servers changed."""
        self._engines.clear()
        for server in self.servers.values():
            engine = str(server.status.get("engine") or "")
            if engine in ENGINES:
                model = str(server.spec["deployment"])
                self._engines[model] = self._engines.get(model, frozenset[str]()) | {engine}

    def expected_back(self, model: str) -> bool:
        """Say whether a model that has lost its LLM Servers is worth waiting for."""
        deployment = self.deployments.get(model)
        return deployment is not None and bool(deployment.spec.get("enabled")) and self.failure(deployment) is None

    def endpoints(self) -> dict[str, list[Endpoint]]:
        """Return the ready LLM Servers of every deployment."""
        found: dict[str, list[Endpoint]] = {}
        for server in self.servers.values():
            spec, status = server.spec, server.status
            if status.get("phase") != "Ready" or server.metadata.deletion_timestamp:
                continue
            slots = max(1, int(status.get("slots") or 1))
            capacity = max(8, slots * self._requests_per_slot)
            endpoint = Endpoint(
                server.name,
                str(spec["address"]),
                int(spec["port"]),
                capacity,
                cache_tokens=slots * int(status.get("contextLength") or 0),
                slots=slots,
            )
            found.setdefault(str(spec["deployment"]), []).append(endpoint)
        return found


def unsupported(model: str, operation: Operation, why: str) -> LogitsError:
    """Return the refusal of an operation that a model's engine doesn't have."""
    message = f"The model {model[:100]!r} doesn't offer {operation.name}. {why}"
    return LogitsError(ErrorCode.INVALID, message, field="model", reason="unsupported_operation")


def _ready_message(deployment: Entity) -> str:
    for condition in cast("list[dict[str, Any]]", deployment.status.get("conditions") or []):
        if condition.get("type") == "Ready":
            return str(condition.get("message") or condition.get("reason") or "")
    return ""


def model_object(deployment: Entity) -> dict[str, Any]:
    """Return a deployment as the model object of both dialects: OpenAI's members and Anthropic's."""
    created = deployment.metadata.creation_timestamp
    seconds = int(datetime.fromisoformat(created).timestamp()) if created else 0
    return {
        "id": deployment.name,
        "object": "model",
        "created": seconds,
        "owned_by": "logits",
        "type": "model",
        "display_name": deployment.name,
        "created_at": created or "1970-01-01T00:00:00Z",
    }
