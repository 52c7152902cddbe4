"""The API Server alone, in front of engines that somebody already has; it needs nothing else of Logits."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from logits_api_server.adapters.endpoints import Address, Engines, HeldEntities
from logits_api_server.adapters.usage_file import UsageFiles
from logits_api_server.app import ApiServer, create_app
from logits_api_server.settings import Settings
from logits_api_server.sources import Sources
from logits_core.entities.model import Entity
from logits_core.errors import ErrorCode, LogitsError
from logits_core.redaction import Count
from logits_shell.telemetry import Telemetry
from logits_shell.workers import ALONE, Share


@dataclass(frozen=True, slots=True)
class Alone:
    """What an API Server alone is told in place of an Entity DB.

    Attributes:
        addresses: Of the engines.
        keys: API keys by name.
        usage_directory: Where usage is written, None for nowhere.
        capacity: Requests in flight at one engine; more wait.
    """

    addresses: list[Address]
    keys: dict[str, Entity] = field(default_factory=dict[str, Entity])
    usage_directory: Path | None = None
    capacity: int = 256


def address_of(url: str) -> Address:
    """Return the address in a URL such as `http://10.0.0.1:8000`.

    Raises:
        LogitsError: INVALID for another scheme, a path, or no host.
    """
    parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
    try:
        port = 80 if parts.port is None else parts.port
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or parts.path.rstrip("/") not in {"", "/v1"}:
        raise LogitsError(
            ErrorCode.INVALID, f"{url[:200]!r} is no endpoint. Give URLs like http://10.0.0.1:8000.", field="endpoint"
        )
    return Address(parts.hostname, port)


@asynccontextmanager
async def open_alone(
    settings: Settings, telemetry: Telemetry, alone: Alone, share: Share = ALONE
) -> AsyncGenerator[ApiServer, None]:
    """The app in front of other people's engines; its connections close when the context ends."""
    telemetry.health.set("engines", ready=False, reason="no engine has told its models yet")

    def found(models: list[str]) -> None:
        telemetry.health.set("engines", ready=bool(models), reason="no engine has told its models yet")
        telemetry.log.info("the engines serve {count} models: {models}", count=Count(len(models)), models=str(models))

    async with httpx.AsyncClient(trust_env=False) as http:
        engines = Engines(http, alone.addresses, share.of(alone.capacity), found)
        await engines.look()
        keys = HeldEntities(alone.keys)
        usage = UsageFiles(alone.usage_directory, secrets.token_hex(8))
        sources = Sources(engines.deployments, engines.servers, keys, usage)
        app = create_app(settings, telemetry, sources, share=share)
        try:
            yield replace(app, background=(*app.background, engines.run))
        finally:
            app.pool.close()
