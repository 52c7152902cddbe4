"""A simulated Gateway as far as the Console reads it: a state that rolled back, a short log, two calls that left."""

from __future__ import annotations

import json
from typing import Annotated, Any

from litestar import Litestar, Request, Response, get
from litestar.exceptions import NotAuthorizedException
from litestar.params import FromPath, QueryParameter

from logits_core.audit import canonical, encode_entry, leaf_hash
from simulators.audit_records import KEY, encoded, signed

REPORT = b'{"nodes":1,"note":"<b>canary</b>"}'
DEPARTURES = [
    {
        "cursor": "2026-01-02.1",
        "id": "a-2",
        "time": "2026-01-02T00:00:01.000+00:00",
        "method": "POST",
        "path": "/v1/environments/e/reports",
        "caller": "gateway",
        "sha256": "ab" * 32,
        "size": len(REPORT),
        "schema": "report",
        "index": 7,
    },
    {
        "cursor": "2026-01-02.0",
        "id": "a-1",
        "time": "2026-01-02T00:00:00.000+00:00",
        "method": "GET",
        "path": "/v1/environments/e/desired?wait=25",
        "caller": "gateway",
        "sha256": "cd" * 32,
        "size": 0,
    },
]


def _log(count: int) -> list[dict[str, Any]]:
    return [
        {"index": index, "leaf": leaf_hash(entry).hex(), "event": json.loads(entry)}
        for index, entry in enumerate(encoded(count))
    ]


def gateway_pages(token: str) -> Litestar:
    """The simulated Gateway; it wants this bearer token."""
    log = _log(3)
    bundle = b"".join(encode_entry(canonical(entry["event"])) for entry in log)

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
        plan = {"version": "0.2.0", "sha256": "5" * 64, "waitsFor": "the customer froze releases", "reason": "a leak"}
        told = {"environment": "e-1", "registered": True, "opsApi": {"reachable": True}, "release": release}
        return told | {"releasePlan": plan}

    @get("/audit/entries", sync_to_thread=False)
    def entries(after: Annotated[int, QueryParameter(ge=0)], limit: Annotated[int, QueryParameter(ge=1)]) -> Any:
        return {"entries": log[after : after + limit], "size": len(log)}

    @get("/audit/logs", sync_to_thread=False)
    def logs() -> Any:
        facts = {"prefix": "/audit/log/0001", "origin": KEY.name, "key": KEY.verifier(), "current": True}
        return {"logs": [facts]}

    @get("/audit/log/0001/{file:path}", sync_to_thread=False)
    def log_file(file: FromPath[str]) -> Response[bytes]:
        files = {"/checkpoint": signed(encoded(3)).encode(), "/tile/entries/000.p/3": bundle}
        return Response(files.get(file, b""), status_code=200 if file in files else 404)

    handlers = [status, entries, logs, log_file, *_ledger()]
    return Litestar(handlers, before_request=authenticated, openapi_config=None, logging_config=None)


def _ledger() -> list[Any]:
    @get("/egress/entries", sync_to_thread=False)
    def departures(before: Annotated[str, QueryParameter()], limit: Annotated[int, QueryParameter(ge=1)]) -> Any:
        cursors = [entry["cursor"] for entry in DEPARTURES]
        start = cursors.index(before) + 1 if before else 0
        return {"entries": DEPARTURES[start : start + limit], "keptDays": 30}

    @get("/egress/bodies/{cursor:str}", sync_to_thread=False)
    def departed(cursor: FromPath[str], plain: Annotated[bool, QueryParameter()]) -> Response[bytes]:
        known = cursor == "2026-01-02.1"
        return Response(REPORT if known else b"", status_code=200 if known else 404)

    return [departures, departed]
