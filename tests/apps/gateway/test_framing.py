"""The framing table at the Gateway's door: what can be read in two ways never reaches its policy."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from framing_table import ODD_PATHS, faults
from simulators.gateway_site import gateway_site

pytestmark = pytest.mark.anyio


async def test_every_row_is_refused_at_the_gateway(tmp_path: Path) -> None:
    async with gateway_site(tmp_path) as site:
        parts = urlsplit(site.url)
        before = len(site.audit)
        door = (str(parts.hostname), int(parts.port or 0), b"/kubernetes/api/v1/pods")
        assert await faults(*door, early=b"401", readable=ODD_PATHS) == {}
        assert not any(b"following" in line for line in site.audit[before:])
