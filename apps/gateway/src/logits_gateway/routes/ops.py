"""Routes below ``/ops``: what components may hand to the vendor, checked here once more."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, RawBody

from logits_gateway.access import caller_of
from logits_gateway.adapters.ops_api import OpsApi
from logits_gateway.board import Board
from logits_gateway.exports import MAX_BATCH_BYTES, check_batch, check_report

AnyRequest = Request[Any, Any, Any]
Encoding = Annotated[str, HeaderParameter(name="content-encoding")]
Key = Annotated[str, HeaderParameter(name="idempotency-key")]
MAX_REPORT_BYTES = 64 * 1024


async def _export(
    kind: str, request: AnyRequest, ops_api: OpsApi, body: bytes, headers: tuple[str, str]
) -> dict[str, Any]:
    encoding, key = headers
    batch = await anyio.to_thread.run_sync(lambda: check_batch(kind, body, encoding=encoding, key=key))
    return await ops_api.export(batch, caller_of(request).subject)


@post("/ops/v1/logs", operation_id="exportLogs", status_code=200, request_max_body_size=MAX_BATCH_BYTES)
async def export_logs(
    request: AnyRequest,
    body: RawBody,
    ops_api: NamedDependency[OpsApi],
    content_encoding: Encoding = "",
    idempotency_key: Key = "",
) -> dict[str, Any]:
    """Send a batch of exported log records to the Ops API."""
    return await _export("logs", request, ops_api, body, (content_encoding, idempotency_key))


@post("/ops/v1/metrics", operation_id="exportMetrics", status_code=200, request_max_body_size=MAX_BATCH_BYTES)
async def export_metrics(
    request: AnyRequest,
    body: RawBody,
    ops_api: NamedDependency[OpsApi],
    content_encoding: Encoding = "",
    idempotency_key: Key = "",
) -> dict[str, Any]:
    """Send a batch of exported metric samples to the Ops API."""
    return await _export("metrics", request, ops_api, body, (content_encoding, idempotency_key))


@post(
    "/ops/v1/reports",
    operation_id="exportReport",
    status_code=202,
    request_max_body_size=MAX_REPORT_BYTES,
    sync_to_thread=False,
)
def export_report(body: RawBody, board: NamedDependency[Board]) -> dict[str, Any]:
    """Take the Controller's report; it leaves with the Gateway's next own one."""
    board.reported(check_report(body))
    return {"accepted": True}
