"""Fixtures that every test may use."""

from __future__ import annotations

import pytest

from platforms import either_platform, embedded, real

__all__ = ["either_platform", "embedded", "real"]


@pytest.fixture
def anyio_backend() -> str:
    """Our processes run on asyncio."""
    return "asyncio"


PLATFORMS = {"embedded", "either_platform", "platform", "real"}


@pytest.hookimpl(tryfirst=True)  # before the scheduler reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a platform run one after the other, in one worker."""
    for item in items:
        if PLATFORMS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("platform"))
