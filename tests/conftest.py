"""Fixtures that every test may use."""

from __future__ import annotations

import pytest

from platforms import either_platform, embedded, real

__all__ = ["either_platform", "embedded", "real"]


@pytest.fixture
def anyio_backend() -> str:
    """Our processes run on asyncio."""
    return "asyncio"
