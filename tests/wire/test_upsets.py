"""Crashes and rolling updates under load, with real processes: what clients see of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from logits_local.network.proxy import ServiceListener
from ports import free_ports
from wire.chain import DEADLINE, MODEL, Chain, chain, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]
RATE = 50
"""Requests per second."""
STOPPING = {"drain_seconds": 20, "lame_duck_seconds": 1}
BODY: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "What is the Gateway?"}]}


@pytest.fixture
def upset(engine: str, tmp_path: Path) -> Generator[Chain]:
    """A chain of its own, because the test breaks it."""
    if engine != "llamacpp":
        pytest.skip("the proxies are the same; one engine is enough to break them")
    with chain(engine, tmp_path, **STOPPING) as running:
        yield running


@dataclass
class Load:
    """Half streams, half whole answers, at an even rate.

    Attributes:
        rate: Requests per second.
        failures: Answers that weren't what a client may expect, in words.
        broken: Streams that ended with an error event after their first byte.
        done: Answers that came whole.
    """

    url: str
    rate: int = RATE
    failures: list[str] = field(default_factory=list[str])
    broken: int = 0
    done: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def run(self, until: asyncio.Event) -> None:
        """Send until told to stop, and wait for the last answers."""
        limits = httpx.Limits(max_connections=500, max_keepalive_connections=500)
        async with httpx.AsyncClient(base_url=self.url, timeout=DEADLINE, limits=limits) as http:
            number = 0
            while not until.is_set():
                number += 1
                task = asyncio.create_task(self._one(http, stream=bool(number % 2)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                await asyncio.sleep(1 / self.rate)
            await asyncio.gather(*self._tasks)

    async def _one(self, http: httpx.AsyncClient, *, stream: bool) -> None:
        body = BODY | {"max_tokens": 8, "stream": stream}
        try:
            async with http.stream("POST", "/v1/chat/completions", json=body) as response:
                content = await response.aread()
                self._judge(response.status_code, content, stream=stream)
        except httpx.HTTPError as error:
            self.failures.append(repr(error))

    def _judge(self, status: int, content: bytes, *, stream: bool) -> None:
        if status != 200:
            self.failures.append(f"{status} {content[:200]!r}")
        elif not stream:
            self.done += bool(json.loads(content)["choices"][0]["message"]["content"])
        else:
            self._judge_events([event for event in content.split(b"\n\n") if event and not event.startswith(b":")])

    def _judge_events(self, events: list[bytes]) -> None:
        errors = [event for event in events if b'"error"' in event]
        if events[-1] != b"data: [DONE]" or len(errors) > 1 or (errors and events[-2] != errors[0]):
            self.failures.append(f"a stream ended badly: {events[-2:]!r}")
        elif errors and len(events) == 2:
            self.failures.append(f"an error before the first byte: {errors[0]!r}")
        elif errors:
            self.broken += 1
        else:
            self.done += 1


async def test_a_killed_llm_server_costs_no_request_that_had_not_begun(upset: Chain) -> None:
    await asyncio.to_thread(upset.start_llm_server, "second")
    await asyncio.to_thread(upset.wait_ready, "second")
    load, stop = Load(upset.url), asyncio.Event()
    running = asyncio.create_task(load.run(stop))
    await asyncio.to_thread(eventually, lambda: load.done > RATE, "the load to run")
    upset.apps["llm-server"].kill()
    before = load.done
    await asyncio.to_thread(eventually, lambda: load.done > before + 2 * RATE, "the load to go on")
    stop.set()
    await running
    assert load.failures == []


async def test_the_only_llm_server_is_killed_and_its_requests_wait_for_the_next(upset: Chain) -> None:
    # As many as may wait: more than that are told to come back.
    load, stop = Load(upset.url, rate=2), asyncio.Event()
    running = asyncio.create_task(load.run(stop))
    await asyncio.to_thread(eventually, lambda: load.done > 2, "the load to run")
    upset.apps["llm-server"].kill()
    upset.forget("llm-server")
    await asyncio.to_thread(upset.start_llm_server, "second")
    await asyncio.to_thread(upset.wait_ready, "second")
    before = load.done
    await asyncio.to_thread(eventually, lambda: load.done > before + 5, "the load to go on")
    stop.set()
    await running
    assert load.failures == []


async def test_a_rolling_update_of_the_llm_servers_costs_nothing(upset: Chain) -> None:
    load, stop = Load(upset.url), asyncio.Event()
    running = asyncio.create_task(load.run(stop))
    await asyncio.to_thread(eventually, lambda: load.done > RATE, "the load to run")
    old = "llm-server"
    for new in ("second", "third"):
        await asyncio.to_thread(upset.start_llm_server, new)
        await asyncio.to_thread(upset.wait_ready, new)
        await asyncio.to_thread(upset.apps[old].stop)
        old = new
    before = load.done
    await asyncio.to_thread(eventually, lambda: load.done > before + RATE, "the load to go on")
    stop.set()
    await running
    assert load.failures == []
    assert load.broken == 0


async def test_a_rolling_update_of_the_api_servers_costs_nothing(upset: Chain) -> None:
    first = upset.apps["api-server"]
    service = ServiceListener(("127.0.0.1", free_ports()), (("127.0.0.1", first.port),))
    await service.open()
    url = f"http://127.0.0.1:{service.address[1]}"
    urls: dict[str, Any] = {"api_server_url": url, "entity_db_url": upset.entities, "console_url": url}
    door = await asyncio.to_thread(lambda: upset.start("ingress-proxy", "door", **urls))
    await asyncio.to_thread(eventually, lambda: reached(door.url), "the second ingress")
    load, stop = Load(door.url), asyncio.Event()
    running = asyncio.create_task(load.run(stop))
    await asyncio.to_thread(eventually, lambda: load.done > RATE, "the load to run")
    old = first
    for name in ("api-2", "api-3"):
        new = await asyncio.to_thread(upset.start_api_server, name, **STOPPING)
        await asyncio.to_thread(eventually, lambda url=new.url: reached(url), f"{name} to be ready")
        # As in a cluster: nodes hear of the old pod's end when it does, or a little later.
        old.process.terminate()
        service.targets = (("127.0.0.1", new.port),)
        await asyncio.to_thread(old.stop)
        old = new
    before = load.done
    await asyncio.to_thread(eventually, lambda: load.done > before + RATE, "the load to go on")
    stop.set()
    await running
    service.close()
    assert load.failures == []
    assert load.broken == 0


def reached(url: str) -> bool:
    try:
        found = httpx.get(f"{url}/v1/models")
        return found.status_code == 200 and bool(found.json()["data"])
    except httpx.HTTPError:
        return False
