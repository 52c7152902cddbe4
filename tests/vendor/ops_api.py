"""A running Ops API for tests, with a client for every kind of caller."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from backports import zstd
from prometheus_client import CollectorRegistry

from live_server import live
from logits_ops_api.app import OpsApi, create_app
from logits_ops_api.settings import Settings
from logits_shell.telemetry import Telemetry
from simulators.vendor_desk import VendorDesk, copied

ENVIRONMENT = "6f6f2b1e-9a39-4a36-9d0a-5d2f4a3a7b11"
KEY = "abcdefgh.0123456789abcdefghijklmnopqrstuv"
OPERATOR = "operator-token"
DESK = VendorDesk.begin(clock=lambda: datetime.fromtimestamp(1_800_000_000, UTC))
"""One vendor for all tests: its ceremony takes a while."""
DIRECTOR = (DESK.desk.ring.directory / "director.pem").read_text()
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A bare context: everything here is plain http, and loading certificate authorities takes time."""
SERVICE = "service-token-of-accounts"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Caller:
    """Every kind of caller of one running Ops API."""

    url: str
    app: OpsApi
    registry: CollectorRegistry
    clock: Clock
    operator: httpx.AsyncClient
    service: httpx.AsyncClient
    gateway: httpx.AsyncClient
    nobody: httpx.AsyncClient
    environment: str = ENVIRONMENT
    desk: VendorDesk = field(default_factory=lambda: copied(DESK))
    path: str = field(default=f"/v1/environments/{ENVIRONMENT}")

    def metric(self, name: str) -> float:
        """The value of one of the app's metrics."""
        return self.registry.get_sample_value(name) or 0.0

    async def announce(self, environment: str = ENVIRONMENT, key: str = KEY) -> httpx.Response:
        document = {"name": "Production", "keyId": key[:8], "keySha256": sha256(key)}
        return await self.service.put(f"/internal/v1/environments/{environment}", json=document)

    async def publish(self, *versions: str, desk: VendorDesk | None = None) -> httpx.Response:
        """Publish releases of these versions, signed by the vendor of a test."""
        vendor = desk or self.desk
        for version in versions:
            vendor.release(version)
        content = msgspec.json.encode(vendor.desk.directory.publication())
        return await self.operator.post("/operator/v1/releases", content=content)

    async def send(self, kind: str, plain: bytes, **changes: Any) -> httpx.Response:
        headers = {
            "content-encoding": "zstd",
            "idempotency-key": hashlib.sha256(plain).hexdigest(),
            **changes.get("headers", {}),
        }
        content = changes.get("content", zstd.compress(plain))
        return await self.gateway.post(f"{self.path}/{kind}", content=content, headers=headers)

    async def log_lines(self) -> list[dict[str, Any]]:
        answer = await self.operator.get(f"/operator/v1/environments/{self.environment}/logs")
        return [item["record"] for item in answer.json()["items"]]


def settings(folder: Path, **changes: Any) -> Settings:
    values = {
        "data_directory": str(folder),
        "operator_token_sha256": sha256(OPERATOR),
        "service_token_sha256": sha256(SERVICE),
        "director_key": DIRECTOR,
        **changes,
    }
    return Settings.model_validate(values)


def record(sequence: int, **changes: Any) -> dict[str, Any]:
    return {
        "stream": "0123456789abcdef",
        "sequence": sequence,
        "time": 1_800_000_000.5,
        "level": "info",
        "component": "controller",
        "version": "0.1.0",
        "template": "made {pods} pods",
        "values": {"pods": {"kind": "count", "value": 3}},
        "unsafe": 0,
        **changes,
    }


def lines(*documents: Mapping[str, Any]) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


@asynccontextmanager
async def running(folder: Path, **changes: Any) -> AsyncGenerator[Caller]:
    """A live Ops API with one announced environment."""
    clock = Clock()
    chosen = settings(folder, **changes)
    telemetry = Telemetry.create("ops-api", chosen)
    app = create_app(chosen, telemetry, clock=clock)
    try:
        async with live(app.asgi) as url, AsyncExitStack() as stack:

            async def client(token: str) -> httpx.AsyncClient:
                headers = {"authorization": f"Bearer {token}"} if token else {}
                return await stack.enter_async_context(
                    httpx.AsyncClient(base_url=url, headers=headers, timeout=30, verify=PLAIN)
                )

            caller = Caller(
                url,
                app,
                telemetry.registry,
                clock,
                await client(OPERATOR),
                await client(SERVICE),
                await client(KEY),
                await client(""),
            )
            assert (await caller.announce()).status_code == 201
            yield caller
            app.services.changes.close()
    finally:
        app.close()
