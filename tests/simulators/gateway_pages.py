"""A simulated Gateway as far as the Console reads it: a state that rolled back and a short audit log."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Litestar, Request, get
from litestar.exceptions import NotAuthorizedException
from litestar.params import QueryParameter

from logits_core.audit import Act, Head, event, link


def _log(count: int) -> list[dict[str, Any]]:
    import json

    head, lines = Head(), list[dict[str, Any]]()
    for number in range(count):
        act = Act(f"id-{number}", 1.0 + number, "list", "/apis/apps/v1/namespaces/logits/deployments")
        entry = link(head, event(act, "ResponseComplete", now=2.0 + number, code=200))
        head = Head(entry.index, entry.digest)
        lines.append(json.loads(entry.line()))
    return lines


def gateway_pages(token: str) -> Litestar:
    """The simulated Gateway; it wants this bearer token."""
    log = _log(3)

    def authenticated(request: Request[Any, Any, Any]) -> None:
        if request.headers.get("authorization") != f"Bearer {token}":
            raise NotAuthorizedException

    @get("/status", sync_to_thread=False)
    def status() -> dict[str, Any]:
        release = {
            "state": "RolledBack",
            "running": {"version": "0.1.0", "counter": 1},
            "message": "rolled back: the new Controller never became ready",
        }
        return {"environment": "e-1", "registered": True, "opsApi": {"reachable": True}, "release": release}

    @get("/audit/entries", sync_to_thread=False)
    def entries(after: Annotated[int, QueryParameter(ge=0)], limit: Annotated[int, QueryParameter(ge=1)]) -> Any:
        return {"entries": log[after : after + limit], "size": len(log)}

    return Litestar([status, entries], before_request=authenticated, openapi_config=None, logging_config=None)
