"""The framing table at the Ingress Proxy's door."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from apps.ingress_proxy.conftest import Start
from framing_table import faults

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/entities/x", b"/"])
async def test_every_row_is_refused_at_the_ingress(start: Start, path: bytes) -> None:
    async with start() as ingress:
        parts = urlsplit(ingress.url)
        assert await faults(str(parts.hostname), int(parts.port or 0), path) == {}
        visits = [*ingress.console.visits, *ingress.api_server.visits, *ingress.entity_db.visits]
        assert not any(b"following" in head for visit in visits for head in visit.requests)
