"""The whole platform for tests: `logits up` in a directory of its own, once per module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.up.platform_under_test import Platform
from ports import free_ports


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that answers; ends with the module."""
    data: Path = tmp_path_factory.mktemp("platform") / "data"
    running = Platform(data, free_ports(3))
    try:
        running.up()
        yield running
    finally:
        running.down()
