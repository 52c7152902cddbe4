"""Fixtures that every test may use."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

from platforms import either_platform, embedded, real

__all__ = ["either_platform", "embedded", "real"]


@pytest.fixture
def anyio_backend() -> str:
    """Our processes run on asyncio."""
    return "asyncio"


# How long an example takes is the machine's business, not the code's.
settings.register_profile("logits", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("logits")

PLATFORMS = ("tests/cluster/", "tests/browser/")


class OnePlatformAtATime(LoadGroupScheduling):
    """Spreads tests over the workers, but keeps all that use the platform in one.

    `pytest.mark.xdist_group` would say the same, but pytest-xdist 3.8 can't group under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/wire/"):
            return "wire"
        return "platform" if nodeid.startswith(PLATFORMS) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OnePlatformAtATime:
    """Two platforms at once would fight for the ports and for the machine."""
    return OnePlatformAtATime(config, log)
