"""What a request costs inside our proxies: the same work as under load, but between memory instead of sockets.

``python bench/data_path/inside.py [api-server|ingress] [--stream] [--profile] [--calls]`` hands requests to the real
protocol of an app, answers them as the mock engine does, and prints the processor time of one, the least of several
rounds. ``--calls`` prints how many functions of Python it takes, by name; ``--profile`` where the time goes. It
steers work on the data path, since it moves far less with the machine than figures under load; the page has those.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import pstats
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any, cast

import uvloop
from load import PROMPT
from mock_engine import COMPLETION, EVENTS, MODEL, STREAM_HEAD
from proxies import ENGINE_PORTS
from uvicorn.config import Config
from uvicorn.server import ServerState

from logits_api_server.adapters.endpoints import HeldEntities
from logits_api_server.app import create_app as api_server_app
from logits_api_server.settings import Settings as ApiServerSettings
from logits_api_server.sources import Sources
from logits_core.entities.model import Entity, Metadata
from logits_core.keys import ApiKeySpec, mint
from logits_ingress_proxy.app import create_app as ingress_app
from logits_ingress_proxy.settings import Settings as IngressSettings
from logits_shell.relay import RelayProtocol, Upstream, UpstreamPool
from logits_shell.serve import RELAYS_GARBAGE
from logits_shell.telemetry import Telemetry

ROUNDS = 7
REQUESTS = {False: 4000, True: 500}
LIMITS = {"requestsPerMinute": 10**9, "tokensPerMinute": 10**9, "concurrency": 10**5}


class Memory(asyncio.Transport):
    """A transport into memory: what is written goes to `heard`."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: Callable[[bytes], None] = lambda _: None

    def write(self, data: Any) -> None:
        """Hand bytes to whoever listens."""
        self.heard(data)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell the peer's address, as sockets do."""
        return ("127.0.0.1", 50000) if name in {"peername", "sockname"} else default

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""

    def abort(self) -> None:
        """A request failed.

        Raises:
            SystemExit: always.
        """
        raise SystemExit("a connection was aborted")


def _entity(name: str, spec: dict[str, Any], status: dict[str, Any]) -> Entity:
    return Entity.model_construct(kind="", metadata=Metadata.model_construct(name=name), spec=spec, status=status)


class _NoUsage:
    async def write(self, hour: str, rows: object) -> None:
        """Keep nothing."""

    async def prune(self, months: frozenset[str]) -> None:
        """Keep nothing."""


async def _api_server(stack: AsyncExitStack) -> tuple[type[RelayProtocol], UpstreamPool, str]:
    minted = mint(lambda n: bytes(range(n)), "2026-01-01T00:00:00Z")
    spec = ApiKeySpec(credentials=(minted.credential,)).model_dump(by_alias=True) | LIMITS
    servers = {
        f"e{port}": _entity(
            f"e{port}",
            {"deployment": MODEL, "model": MODEL, "address": "127.0.0.1", "port": port},
            {"phase": "Ready", "slots": 256, "engine": ""},
        )
        for port in ENGINE_PORTS
    }
    models = {MODEL: _entity(MODEL, {"enabled": True, "model": MODEL}, {})}
    keys = HeldEntities({"bench": _entity("bench", spec, {})})
    sources = Sources(HeldEntities(models), HeldEntities(servers), keys, _NoUsage())
    settings = ApiServerSettings.model_validate({"keys_required": True})
    app = api_server_app(settings, Telemetry.create("api-server", settings), sources)
    group = await stack.enter_async_context(asyncio.TaskGroup())
    running = [group.create_task(loop()) for loop in app.background]
    stack.callback(lambda: [task.cancel() for task in running])
    await asyncio.sleep(0.05)
    return app.protocol, app.pool, minted.key


async def _ingress(stack: AsyncExitStack) -> tuple[type[RelayProtocol], UpstreamPool, str]:
    url = f"http://127.0.0.1:{ENGINE_PORTS[0]}"
    settings = IngressSettings.model_validate({"console_url": url, "api_server_url": url, "entity_db_url": url})
    app = ingress_app(settings, Telemetry.create("ingress-proxy", settings))
    return app.protocol, app.pool, ""


def _request(key: str, *, stream: bool) -> bytes:
    body: dict[str, object] = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "max_tokens": 64}
    body |= {"stream": True} if stream else {}
    raw = json.dumps(body, separators=(",", ":")).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: 127.0.0.1:29207", "Content-Type: application/json"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, f"Content-Length: {len(raw)}", "", ""]).encode() + raw


class Bench:
    """One client connection of an app, and an idle connection to each engine."""

    def __init__(self, protocol: type[RelayProtocol], pool: UpstreamPool, request: bytes, *, stream: bool) -> None:
        self._request = request
        self._answer = [STREAM_HEAD + EVENTS[0], *EVENTS[1:]] if stream else [COMPLETION]
        self._written = 0
        self._asked: list[Callable[[bytes], None]] = []
        for port in ENGINE_PORTS:
            connection, transport = pool.adopt(Upstream("127.0.0.1", port)), Memory()
            transport.heard = lambda _, hears=connection.data_received: self._asked.append(hears)
            connection.connection_made(transport)
            pool.give_back(connection, True)
        config = Config(app=cast("Any", None), http=protocol, ws="none", log_config=None)
        config.load()
        client = Memory()
        client.heard = self._hear
        self._client = protocol(config=config, server_state=ServerState(), app_state={})
        self._client.connection_made(client)

    def _hear(self, data: bytes) -> None:
        self._written += len(data)

    def ask(self) -> None:
        """Send one request and answer it."""
        self._client.data_received(self._request)
        hears = self._asked.pop()
        for piece in self._answer:
            hears(piece)

    def check(self) -> None:
        """See that a request is answered.

        Raises:
            SystemExit: it isn't.
        """
        self.ask()
        if self._written < sum(map(len, self._answer)):
            raise SystemExit("a request wasn't answered")


def _calls(bench: Bench) -> str:
    counted: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counted[f"{frame.f_code.co_filename.rpartition('/src/')[2]}:{frame.f_code.co_qualname}"] += 1

    sys.setprofile(note)
    for _ in range(10):
        bench.ask()
    sys.setprofile(None)
    rows = [f"{count / 10:7.1f}  {name}" for name, count in counted.most_common()]
    return "\n".join([*rows, f"{counted.total() / 10:7.1f}  functions of Python per request"])


def _time(bench: Bench, count: int) -> float:
    rounds: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(count):
            bench.ask()
        rounds.append((time.process_time() - began) / count)
    return min(rounds)


async def _main(arguments: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        opened = _ingress(stack) if arguments.app == "ingress" else _api_server(stack)
        protocol, pool, key = await opened
        stack.callback(pool.close)
        stream = arguments.stream
        bench = Bench(protocol, pool, _request(key, stream=stream), stream=stream)
        for _ in range(REQUESTS[stream] // 4):
            bench.check()
        gc.freeze()
        gc.set_threshold(RELAYS_GARBAGE)
        if arguments.calls:
            print(_calls(bench))
        if arguments.profile:
            profile = cProfile.Profile()
            profile.runcall(_time, bench, REQUESTS[stream])
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        print(
            f"{arguments.app}{' stream' if stream else ''}: {_time(bench, REQUESTS[stream]) * 1e6:.1f} µs per request"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("app", nargs="?", default="api-server", choices=["api-server", "ingress"])
    for flag in ("--stream", "--profile", "--calls"):
        parser.add_argument(flag, action="store_true")
    uvloop.run(_main(parser.parse_args()))
