"""The framing table at the API Server's door."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from apps.api_server.conftest import Start
from framing_table import faults

pytestmark = pytest.mark.anyio


async def test_every_row_is_refused_at_the_api_server(start: Start) -> None:
    async with start() as platform:
        parts = urlsplit(platform.url)
        assert await faults(str(parts.hostname), int(parts.port or 0), b"/v1/chat/completions") == {}
