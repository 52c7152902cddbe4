"""The Collector at work: every record arrives once, over outages and restarts, and nothing unsafe ever does."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from live_server import live
from logits_collector.adapters.gateway import BatchSender
from logits_collector.adapters.spool import Spool
from logits_collector.adapters.streams import LogSource
from logits_collector.counters import Counters
from logits_collector.loop import Collector
from logits_collector.settings import Settings
from logits_core.collection import Limits
from logits_core.redaction import Count
from logits_shell.kubernetes import PODS, Reflector, StaticToken
from logits_shell.kubernetes.client import Listing
from logits_shell.kubernetes.events import WatchEvent
from logits_shell.observation import observation_app
from logits_shell.telemetry import Telemetry
from simulators.batch_taker import BatchTaker

pytestmark = pytest.mark.anyio
SECRET = "the-customer-said-this"


def _settings() -> Settings:
    return Settings.model_validate({})


class OnePod:
    """A simulated Kubernetes API with one pod that never changes."""

    def __init__(self, port: int) -> None:
        ports = [{"name": "metrics", "containerPort": port}]
        metadata = {"name": "p", "namespace": "logits", "uid": "u-1", "labels": {"logits.ai/component": "gateway"}}
        self._pod: dict[str, Any] = {
            "metadata": {**metadata, "resourceVersion": "1"},
            "spec": {"containers": [{"ports": ports}]},
            "status": {"phase": "Running", "podIP": "127.0.0.1"},
        }

    async def list(self, resource: Any, **_: Any) -> Listing:
        return Listing((self._pod,), "1")

    async def watch(self, resource: Any, **_: Any) -> AsyncGenerator[WatchEvent, None]:
        await anyio.sleep_forever()
        yield  # type: ignore[misc]


@asynccontextmanager
async def collecting(
    component: str, gateway: str, directory: Path, *, scrape: float = 3600
) -> AsyncGenerator[Collector, None]:
    """A Collector that follows one component and sends to one Gateway."""
    telemetry = Telemetry.create("collector", _settings())
    counters = Counters(telemetry.registry)
    async with httpx.AsyncClient(trust_env=False) as http, anyio.create_task_group() as group:
        collector = Collector(
            pods=Reflector(OnePod(int(component.rsplit(":", 1)[1])), PODS),  # type: ignore[arg-type]
            source=LogSource(http),
            http=http,
            spool=Spool(directory, 1 << 20, counters.dropped.inc),
            sender=BatchSender(http, gateway, StaticToken("t")),
            counters=counters,
            log=telemetry.log,
            limits=Limits(age=0.05),
            scrape_seconds=scrape,
        )
        for task in (collector.pods.run, collector.discover, collector.scrape_all, collector.seal, collector.send_all):
            group.start_soon(task)
        yield collector
        group.cancel_scope.cancel()


def _say(telemetry: Telemetry, count: int) -> None:
    for number in range(count):
        telemetry.log.info("request {number} said {what}", number=Count(number), what=SECRET)


async def _until(condition: Any) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.01)


async def test_every_record_arrives_once_over_an_outage_and_a_restart(tmp_path: Path) -> None:
    component = Telemetry.create("gateway", _settings())
    taker = BatchTaker(status=503)
    async with live(observation_app(component)) as source, live(taker.app()) as gateway:
        _say(component, 50)
        async with collecting(source, gateway, tmp_path) as collector:
            await _until(lambda: taker.attempts and list(collector.spool.waiting()))
        _say(component, 50)
        taker.status = 200
        async with collecting(source, gateway, tmp_path):
            await _until(lambda: len(taker.records()) >= 100)
    sequences = [record["sequence"] for record in taker.records()]
    assert sorted(sequences) == list(range(1, 101))
    assert all(record["values"]["number"] for record in taker.records())
    assert SECRET.encode() not in b"".join(taker.batches.values())


async def test_a_refused_batch_does_not_block_the_next(tmp_path: Path) -> None:
    component = Telemetry.create("gateway", _settings())
    taker = BatchTaker(status=422)
    async with (
        live(observation_app(component)) as source,
        live(taker.app()) as gateway,
        collecting(source, gateway, tmp_path),
    ):
        _say(component, 1)
        await _until(lambda: list((tmp_path / "quarantine").iterdir()))
        taker.status = 200
        _say(component, 1)
        await _until(lambda: [record["sequence"] for record in taker.records()] == [2])


async def test_a_scrape_carries_passlisted_samples_only(tmp_path: Path) -> None:
    component = Telemetry.create("gateway", _settings())
    from prometheus_client import Counter

    Counter("logits_visits", "Visits.", ["model"], registry=component.registry).labels(SECRET).inc()
    Counter("logits_kept", "Kept.", ["outcome"], registry=component.registry).labels("ok").inc()
    taker = BatchTaker()
    async with (
        live(observation_app(component)) as source,
        live(taker.app()) as gateway,
        collecting(source, gateway, tmp_path, scrape=0.05) as collector,
    ):
        await _until(lambda: b"logits_kept_total" in b"".join(taker.batches.values()))
        assert collector.counters.withheld.collect()
    assert SECRET.encode() not in b"".join(taker.batches.values())
