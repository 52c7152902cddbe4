"""Streams: a watch ends with its token and its client, and however many are open, memory is bounded."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest

from attacks.catalogue import CORE
from attacks.wire import request
from logits_shell.kubernetes import CONFIG_MAPS
from simulators.gateway_site import CLUSTERS, NAMESPACE, REAL, Site, gateway_site

pytestmark = pytest.mark.anyio
WATCHES = 12
"""As many as this site's Gateway keeps open; its own loops need four."""


class Clock:
    """The Gateway's clock, which a test may put forward."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
async def clocked(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[tuple[Site, Clock]]:
    clock = Clock()
    kubeconfig = Path(os.environ[REAL]) if request.param == "real" else None
    async with gateway_site(tmp_path, kubeconfig=kubeconfig, max_watches=WATCHES, clock=clock) as site:
        yield site, clock


async def watch(stack: AsyncExitStack, site: Site, token: str) -> anyio.abc.SocketStream:
    """Open a watch on a connection of its own."""
    host, port = site.url.removeprefix("http://").split(":")
    stream = await stack.enter_async_context(await anyio.connect_tcp(host, int(port)))
    await stream.send(request("GET", f"{CORE}/configmaps?watch=true", [("Authorization", f"Bearer {token}")]))
    return stream


def ended(site: Site) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = [json.loads(line)["event"] for line in site.audit]
    return [found for found in records if found["annotations"].get("logits.ai/caller") == "controller"]


async def until_ended(site: Site, *how: str) -> None:
    with anyio.fail_after(20):
        while not any(found["annotations"].get("logits.ai/ended") in how for found in ended(site)):
            await anyio.sleep(0.02)


@pytest.mark.parametrize("clocked", CLUSTERS, indirect=True)
async def test_teleport_24910_and_3525_a_watch_ends_with_its_token(clocked: tuple[Site, Clock]) -> None:
    site, clock = clocked
    token = await site.token(await site.pod("logits-controller-late", "controller"), seconds=600)
    clock.ahead = 597.0
    async with AsyncExitStack() as stack:
        stream = await watch(stack, site, token)
        started = anyio.current_time()
        with anyio.fail_after(20):
            while True:
                try:
                    await stream.receive()
                except anyio.EndOfStream:
                    break
                await site.admin.merge_patch(
                    CONFIG_MAPS, "logits-anchor", {"data": {"x": str(time.time())}}, namespace=NAMESPACE
                )
                if anyio.current_time() - started > 15:
                    break
    assert anyio.current_time() - started < 15
    # The API server is asked to end it a moment before; the Gateway ends it if the server doesn't.
    await until_ended(site, "server", "token")


@pytest.mark.parametrize("clocked", CLUSTERS, indirect=True)
async def test_attack_8_no_more_watches_than_allowed(clocked: tuple[Site, Clock]) -> None:
    site, _ = clocked
    token = await site.token(await site.pod("logits-controller-many", "controller"))
    statuses: list[bytes] = []
    async with AsyncExitStack() as stack:
        for _ in range(WATCHES + 4):
            stream = await watch(stack, site, token)
            with anyio.fail_after(20):
                statuses.append((await stream.receive()).split(b" ")[1])
        assert statuses.count(b"429") >= 4
        assert statuses.count(b"200") >= WATCHES - 6
    await until_ended(site, "client")
    async with AsyncExitStack() as stack:
        with anyio.fail_after(20):
            while (await (await watch(stack, site, token)).receive()).split(b" ")[1] != b"200":
                await anyio.sleep(0.05)


@pytest.mark.parametrize("clocked", CLUSTERS, indirect=True)
async def test_attack_8_a_reader_that_never_reads_costs_no_memory(clocked: tuple[Site, Clock]) -> None:
    site, _ = clocked
    token = await site.token(await site.pod("logits-controller-slow", "controller"))
    big = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "logits-big", "namespace": NAMESPACE}}
    await site.admin.create(CONFIG_MAPS, big)
    async with AsyncExitStack() as stack:
        await watch(stack, site, token)  # and never read from it
        for number in range(40):
            body = {"data": {"x": f"{number}" * (400_000 // len(str(number)))}}
            await site.admin.merge_patch(CONFIG_MAPS, "logits-big", body, namespace=NAMESPACE)
        # 16 MB were offered; what the Gateway holds of it is bounded by its buffers, not by the reader.
        assert _writing_buffers() < 4 << 20
    await until_ended(site, "client")


def _writing_buffers() -> int:
    """Bytes that this process' transports hold for slow readers."""
    return sum(
        found.get_write_buffer_size()
        for found in gc.get_objects()
        if isinstance(found, asyncio.Transport) and not found.is_closing()
    )
