"""The reflector: its copy ends up equal to the server's objects, whatever the watch does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from logits_core.errors import LogitsError
from logits_shell.kubernetes import CONFIG_MAPS, Changes, Reflector, Timing
from simulators.list_watch import Fault, SimulatedListWatch

pytestmark = pytest.mark.anyio
QUICK = Timing(first_retry=0.001, longest_retry=0.01)


@asynccontextmanager
async def running(server: SimulatedListWatch, timing: Timing = QUICK) -> AsyncGenerator[Reflector]:
    failures: list[LogitsError] = []
    reflector = Reflector(server, CONFIG_MAPS, timing=timing, on_failure=failures.append, jitter=lambda: 0.0)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(reflector.run)
            await reflector.synced.wait()
            yield reflector
            group.cancel_scope.cancel()


async def until_equal(reflector: Reflector, server: SimulatedListWatch) -> None:
    count = -1
    while reflector.named() != server.objects:
        count = await reflector.wait_change(count)


@pytest.mark.parametrize("fault", ["expired", "cut", "silent", "malformed", "end"])
async def test_it_recovers_from_every_fault(fault: Fault) -> None:
    server = SimulatedListWatch()
    server.put("a")
    async with running(server) as reflector:
        await server.watching.wait()
        server.fault(fault)
        server.put("b")
        server.remove("a")
        await until_equal(reflector, server)
        assert set(reflector.named()) == {"b"}


@pytest.mark.parametrize("fault", ["cut", "silent", "end"])
async def test_a_lost_connection_continues_where_it_was(fault: Fault) -> None:
    server = SimulatedListWatch()
    async with running(server) as reflector:
        await server.watching.wait()
        server.fault(fault)
        server.put("a")
        await until_equal(reflector, server)
        while server.watches < 2:
            await anyio.lowlevel.checkpoint()
        assert server.lists == 1


async def test_a_bookmark_moves_the_position_without_waking_anybody() -> None:
    server = SimulatedListWatch()
    server.put("a")
    async with running(server) as reflector:
        await server.watching.wait()
        before = reflector.changes.count
        server.bookmark()
        await anyio.wait_all_tasks_blocked()
        server.forget_history()
        server.fault("cut")
        server.put("b")
        await until_equal(reflector, server)
        assert server.lists == 1
        assert reflector.changes.count == before + 1


async def test_forgotten_history_means_a_new_list() -> None:
    server = SimulatedListWatch()
    server.put("a")
    async with running(server) as reflector:
        await server.watching.wait()
        server.fault("cut")
        await anyio.wait_all_tasks_blocked()
        server.put("b")
        server.lose("a")
        server.forget_history()
        server.fault("expired")
        await until_equal(reflector, server)


async def test_the_last_known_objects_stay_while_the_server_is_away() -> None:
    server = SimulatedListWatch()
    server.put("a")
    async with running(server, Timing(first_retry=5, longest_retry=5)) as reflector:
        await server.watching.wait()
        server.fault("cut")
        while reflector.connected:
            await anyio.lowlevel.checkpoint()
        assert set(reflector.named()) == {"a"}


async def test_a_lost_event_is_healed_by_the_next_list() -> None:
    server = SimulatedListWatch()
    server.put("a")
    async with running(server, Timing(relist=0.0, first_retry=0.001)) as reflector:
        await server.watching.wait()
        server.lose("a")
        server.fault("end")
        await until_equal(reflector, server)
        assert reflector.named() == {}


async def test_every_watch_is_closed() -> None:
    server = SimulatedListWatch()
    async with running(server):
        await server.watching.wait()
    assert server.closed == server.watches == 1


async def test_a_waiter_learns_once_of_many_changes() -> None:
    changes = Changes()
    before = changes.count
    changes.ring()
    changes.ring()
    assert await changes.wait(before) == before + 2
    with anyio.move_on_after(0) as scope:
        await changes.wait(changes.count)
    assert scope.cancelled_caught
