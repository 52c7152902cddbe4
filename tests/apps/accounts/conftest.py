"""Fixtures of Accounts' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vendor.accounts import Vendor, running
from vendor.stores import NewStore, new_store, postgresql

__all__ = ["new_store", "postgresql"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def vendor(tmp_path: Path, new_store: NewStore) -> AsyncIterator[Vendor]:
    async with running(tmp_path, new_store=new_store) as found:
        yield found
