"""Routes below ``/ops``: what components may hand to the vendor, checked here once more."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import RawBody

from logits_core.errors import LogitsError
from logits_gateway.access import Access, caller_of, give_receipt
from logits_gateway.adapters.ops_api import OpsApi
from logits_gateway.board import Board
from logits_gateway.exports import MAX_BATCH_BYTES, check_batch, check_report

AnyRequest = Request[Any, Any, Any]
MAX_REPORT_BYTES = 64 * 1024
EXPORT_RULE = "export-schema"


async def _export(kind: str, request: AnyRequest, parts: tuple[OpsApi, Access], body: bytes) -> dict[str, Any]:
    ops_api, access = parts
    encoding, key = request.headers.get("content-encoding", ""), request.headers.get("idempotency-key", "")
    try:
        batch = await anyio.to_thread.run_sync(lambda: check_batch(kind, body, encoding=encoding, key=key))
    except LogitsError as error:
        await access.refuse(request, error, EXPORT_RULE)
        raise
    answer, receipt = await ops_api.export(batch, caller_of(request).subject)
    give_receipt(request, receipt)
    return answer


@post("/ops/v1/logs", operation_id="exportLogs", status_code=200, request_max_body_size=MAX_BATCH_BYTES)
async def export_logs(
    request: AnyRequest,
    body: RawBody,
    ops_api: NamedDependency[OpsApi],
    access: NamedDependency[Access],
) -> dict[str, Any]:
    """Send a batch of exported log records to the Ops API."""
    return await _export("logs", request, (ops_api, access), body)


@post("/ops/v1/metrics", operation_id="exportMetrics", status_code=200, request_max_body_size=MAX_BATCH_BYTES)
async def export_metrics(
    request: AnyRequest,
    body: RawBody,
    ops_api: NamedDependency[OpsApi],
    access: NamedDependency[Access],
) -> dict[str, Any]:
    """Send a batch of exported metric samples to the Ops API."""
    return await _export("metrics", request, (ops_api, access), body)


@post(
    "/ops/v1/reports",
    operation_id="exportReport",
    status_code=202,
    request_max_body_size=MAX_REPORT_BYTES,
)
async def export_report(
    request: AnyRequest, body: RawBody, board: NamedDependency[Board], access: NamedDependency[Access]
) -> dict[str, Any]:
    """Take the Controller's report; it leaves with the Gateway's next own one."""
    try:
        report = check_report(body)
    except LogitsError as error:
        await access.refuse(request, error, EXPORT_RULE)
        raise
    board.reported(report)
    return {"accepted": True}
