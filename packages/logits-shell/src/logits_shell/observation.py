"""The observation port: /metrics, /healthz, /readyz and /logs of every process."""

from __future__ import annotations

from typing import Annotated

import anyio
import msgspec
from litestar import Response, get
from litestar.params import FromQuery, QueryParameter
from prometheus_client import generate_latest

from logits_shell.lean import LeanLitestar
from logits_shell.streaming import Chunks, ClosingStream
from logits_shell.telemetry import Telemetry

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
LINES_PER_READ = 1000
IDLE_SECONDS = 15.0


def observation_app(telemetry: Telemetry) -> LeanLitestar:
    """The ASGI app behind the ``metrics`` container port."""

    @get("/metrics", operation_id="metrics", sync_to_thread=False)
    def metrics() -> Response[bytes]:
        return Response(generate_latest(telemetry.registry), media_type=TEXT_FORMAT)

    @get("/healthz", operation_id="healthz", sync_to_thread=False)
    def healthz() -> Response[str]:
        return Response("ok\n", media_type="text/plain")

    @get("/readyz", operation_id="readyz", sync_to_thread=False)
    def readyz() -> Response[bytes]:
        waiting = telemetry.health.explain()
        body = msgspec.json.encode({"ready": not waiting, "waiting": waiting})
        return Response(body, status_code=503 if waiting else 200, media_type="application/json")

    @get("/logs", operation_id="logs", sync_to_thread=False)
    def logs(
        after: Annotated[int, QueryParameter(ge=0)] = 0,
        follow: FromQuery[bool] = False,
    ) -> ClosingStream:
        held = {
            "x-logits-stream": telemetry.stream.stream,
            "x-logits-first-sequence": str(telemetry.stream.first_sequence),
        }
        return ClosingStream(_follow(telemetry, after, follow), media_type="application/x-ndjson", headers=held)

    return LeanLitestar(route_handlers=[metrics, healthz, readyz, logs], openapi_config=None, logging_config=None)


async def _follow(telemetry: Telemetry, after: int, follow: bool) -> Chunks:
    position = after
    while True:
        batch = list(telemetry.stream.after(position, LINES_PER_READ))
        if batch:
            position = batch[-1][0]
            yield b"".join(line + b"\n" for _, line in batch)
        elif not follow:
            return
        else:
            # An empty line keeps idle connections visible to both sides.
            if not await _next_line(telemetry):
                yield b"\n"


async def _next_line(telemetry: Telemetry) -> bool:
    arrived = anyio.Event()
    wake = arrived.set
    telemetry.stream.when_next(wake)
    try:
        with anyio.move_on_after(IDLE_SECONDS):
            await arrived.wait()
    finally:
        telemetry.stream.forget(wake)
    return arrived.is_set()
