"""GET /plan: the last plan in words."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler

from logits_controller.loop import ControlLoop
from logits_core.reconcile.instants import rfc3339


def plan_routes() -> list[HTTPRouteHandler]:
    """Handlers that need the dependency ``loop``."""

    @get("/plan", operation_id="plan", sync_to_thread=False)
    def last_plan(loop: NamedDependency[ControlLoop]) -> dict[str, Any]:
        decided = loop.last
        return {
            "steps": list(decided.explain()) if decided else [],
            "wakeAt": rfc3339(decided.wake_at) if decided and decided.wake_at else None,
        }

    return [last_plan]
