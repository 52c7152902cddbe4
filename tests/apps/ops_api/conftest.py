"""Fixtures of the Ops API's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vendor.ops_api import Caller, running
from vendor.stores import NewStore, new_store, postgresql

__all__ = ["new_store", "postgresql"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def ops(tmp_path: Path, new_store: NewStore) -> AsyncIterator[Caller]:
    async with running(tmp_path, database_url=new_store()) as caller:
        yield caller
