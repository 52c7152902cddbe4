"""Fixtures of the Entity DB's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from running_entity_db import Running, Start, starter

__all__ = ["Running", "Start"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start an Entity DB on the test's directory; settings by keyword."""
    return starter(tmp_path)
