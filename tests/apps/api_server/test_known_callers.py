"""A caller that was recognised once stays so on its connection, but not beyond what its key allows."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from anyio.lowlevel import checkpoint

from logits_api_server.adapters.endpoints import HeldEntities
from logits_api_server.adapters.usage_file import UsageFiles
from logits_api_server.app import create_app
from logits_api_server.settings import Settings
from logits_api_server.sources import Sources
from logits_core.entities.model import Entity
from logits_core.keys import mint
from logits_shell.telemetry import Telemetry
from simulators.memory_relay import MemoryPool, MemoryRelay

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BODY = b'{"model":"m","messages":[]}'


async def test_a_known_caller_is_refused_once_its_key_has_expired() -> None:
    fresh = mint(secrets.token_bytes, "2026-11-23T08:00:00Z")
    spec = {"credentials": [fresh.credential.model_dump(by_alias=True)], "expiresAt": "2026-11-23T13:00:00Z"}
    keys = HeldEntities({"team": Entity.model_validate({"kind": "ApiKey", "metadata": {"name": "team"}, "spec": spec})})
    settings, times = Settings.model_validate({"keys_required": True}), [NOON]
    sources = Sources(HeldEntities({}), HeldEntities({}), keys, UsageFiles(None, "x"))
    app = create_app(settings, Telemetry.create("api-server", settings), sources, now=lambda: times[0])
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: e\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n"
    request = head % (fresh.key.encode(), len(BODY)) + BODY
    statuses: list[bytes] = []
    async with anyio.create_task_group() as group:
        for task in app.background:
            group.start_soon(task)
        for _ in range(10):
            await checkpoint()
        relay = MemoryRelay(app.protocol.policy, MemoryPool(lambda _: b""), app.protocol.options)
        client, transport = relay.connect()
        for time in (NOON, NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1), NOON):
            times[0] = time
            transport.written.clear()
            client.data_received(request)
            statuses.append(bytes(transport.written)[9:12])
        client.connection_lost(None)
        group.cancel_scope.cancel()
    # Whoever is recognised hears that there is no such model.
    assert statuses == [b"404", b"404", b"404", b"401", b"404"]
