"""Routes for Gateways: registration, the desired release, reports, and log and metric batches."""

from __future__ import annotations

import time
from typing import Annotated, Any

import anyio.to_thread
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter, RawBody

from logits_ops_api.access import ENVIRONMENT
from logits_ops_api.adapters.releases import Known
from logits_ops_api.batches import read_records, read_samples, unpack
from logits_ops_api.schemas import Registration, Report
from logits_ops_api.services import Services
from logits_shell.decoding import read

MAX_DOCUMENT_BYTES = 65_536
MAX_WAIT_SECONDS = 50

Encoding = Annotated[str, HeaderParameter(name="content-encoding")]
Key = Annotated[str, HeaderParameter(name="idempotency-key")]
IfNoneMatch = Annotated[str, HeaderParameter(name="if-none-match")]
RootVersions = Annotated[str, QueryParameter(pattern=r"^[0-9]{1,6},[0-9]{1,6}$")]
Wait = Annotated[float, QueryParameter(ge=0, le=MAX_WAIT_SECONDS)]


@post(
    "/{environment:str}/registration",
    operation_id="register",
    status_code=200,
    request_max_body_size=MAX_DOCUMENT_BYTES,
)
async def register(environment: FromPath[str], body: RawBody, services: NamedDependency[Services]) -> dict[str, Any]:
    """Introduce a cluster."""
    await services.environments.register(environment, read(Registration, body))
    services.changes.publish(environment)
    return {"environment": environment}


@get("/{environment:str}/desired", operation_id="desired")
async def desired(
    environment: FromPath[str],
    services: NamedDependency[Services],
    wait: Wait = 0,
    if_none_match: IfNoneMatch = "",
    roots: RootVersions = "0,0",
) -> Response[bytes]:
    """What the environment should run, with what follows its roots; waits up to ``wait`` seconds for a change."""
    deadline, known = time.monotonic() + wait, Known.parse(roots)
    with services.changes.watch(environment) as watch:
        while True:
            etag, content = await services.releases.offer(environment, known)
            if etag != if_none_match:
                return Response(content, media_type="application/json", headers={"etag": etag})
            left = deadline - time.monotonic()
            if left <= 0 or services.changes.closing:
                return Response(b"", status_code=304, headers={"etag": etag})
            await watch.next(left)


@post(
    "/{environment:str}/reports",
    operation_id="report",
    status_code=200,
    request_max_body_size=MAX_DOCUMENT_BYTES,
)
async def report(environment: FromPath[str], body: RawBody, services: NamedDependency[Services]) -> dict[str, Any]:
    """Take what an environment says about itself."""
    accepted = await services.environments.report(environment, read(Report, body))
    if accepted:
        services.changes.publish(environment)
    return {"accepted": accepted}


@post("/{environment:str}/logs", operation_id="logs", status_code=200)
async def logs(
    environment: FromPath[str],
    body: RawBody,
    services: NamedDependency[Services],
    content_encoding: Encoding = "",
    idempotency_key: Key = "",
) -> dict[str, Any]:
    """Take a batch of exported log records."""
    limits = services.limits
    plain = await anyio.to_thread.run_sync(unpack, body, content_encoding, idempotency_key, limits)
    records = await anyio.to_thread.run_sync(read_records, plain, limits)
    receipt = await services.telemetry.store_logs(environment, idempotency_key.lower(), records)
    services.count_batch("logs", receipt)
    return {"accepted": receipt.accepted, "duplicate": receipt.duplicate}


@post("/{environment:str}/metrics", operation_id="metrics", status_code=200)
async def metrics(
    environment: FromPath[str],
    body: RawBody,
    services: NamedDependency[Services],
    content_encoding: Encoding = "",
    idempotency_key: Key = "",
) -> dict[str, Any]:
    """Take a batch of exported metric samples."""
    limits = services.limits
    plain = await anyio.to_thread.run_sync(unpack, body, content_encoding, idempotency_key, limits)
    samples = await anyio.to_thread.run_sync(read_samples, plain, limits)
    receipt = await services.telemetry.store_metrics(environment, idempotency_key.lower(), plain, len(samples))
    services.count_batch("metrics", receipt)
    return {"accepted": receipt.accepted, "duplicate": receipt.duplicate}


def gateway_routes() -> Router:
    """Everything below ``/v1/environments``; an environment only reaches its own path."""
    return Router(
        path="/v1/environments",
        route_handlers=[register, desired, report, logs, metrics],
        opt=dict(ENVIRONMENT),
    )
