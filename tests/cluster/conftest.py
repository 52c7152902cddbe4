"""The chain runs on both clusters."""

from __future__ import annotations

import pytest

from cluster.under_test import Platform


@pytest.fixture(scope="session")
def platform(either_platform: Platform) -> Platform:
    """The platform under test."""
    return either_platform
