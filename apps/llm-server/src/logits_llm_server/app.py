"""Wiring of the LLM Server: the one place where engine, relay and reports meet."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import httpx
from litestar import Litestar
from litestar.di import Provide

from logits_core.engines.served_model import ServedModel, parse_served_model
from logits_core.engines.supervision import Phase
from logits_llm_server.adapters.disk import source_path
from logits_llm_server.adapters.llamacpp import LlamacppEngine
from logits_llm_server.adapters.openai_probe import EngineApi
from logits_llm_server.adapters.vllm import VllmEngine
from logits_llm_server.engine import Engine
from logits_llm_server.errors import exception_handlers
from logits_llm_server.loop import EngineSupervisor
from logits_llm_server.metrics import Metrics
from logits_llm_server.news import News
from logits_llm_server.relaying import EngineRelay, Traffic, openai_rejection
from logits_llm_server.reporter import Place, Reporter
from logits_llm_server.routes.engine import engine as engine_route
from logits_llm_server.settings import Settings
from logits_llm_server.state import EngineState
from logits_shell.entities import EntityClient
from logits_shell.relay import RelayOptions, UpstreamPool, relay_protocol
from logits_shell.telemetry import Health, Telemetry


@dataclass(frozen=True, slots=True)
class LlmServer:
    """The wired app: its faces, and what must run beside them."""

    asgi: Litestar
    protocol: type[asyncio.Protocol]
    telemetry: Telemetry
    supervisor: EngineSupervisor
    reporter: Reporter
    readiness: "Readiness"


class ObservedHealth(Health):
    """Health whose changes are news: the shell tells of the beginning drain by it.

    Args:
        news: told of every change.
    """

    def __init__(self, news: News) -> None:
        super().__init__()
        self._news = news

    def set(self, check: str, *, ready: bool, reason: str = "") -> None:
        """Record a check, and tell if it changed."""
        before = self.explain().get(check)
        super().set(check, ready=ready, reason=reason)
        if self.explain().get(check) != before:
            self._news.tell()


class Readiness:
    """Keeps the health check true to the engine's phase, and starts the drain when the process stops.

    Args:
        health: of the process.
        supervisor: knows the phase.
        news: wakes the loop.
        drain_seconds: how long answers under way may take.
    """

    def __init__(self, health: Health, supervisor: EngineSupervisor, news: News, drain_seconds: float) -> None:
        self._health = health
        self._supervisor = supervisor
        self._news = news
        self._drain_seconds = drain_seconds
        self._update()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            seen = self._news.count
            self._update()
            await self._news.after(seen)

    def _update(self) -> None:
        decided = self._supervisor.plan
        self._health.set("engine", ready=decided.phase is Phase.READY, reason=decided.message)
        if "process" in self._health.explain():
            self._supervisor.drain(self._drain_seconds)


def create_app(
    settings: Settings,
    telemetry: Telemetry,
    *,
    environment: Mapping[str, str],
    cpus: int,
    http: httpx.AsyncClient,
    entities: EntityClient,
    pool: UpstreamPool,
    clock: Callable[[], float] = time.monotonic,
) -> LlmServer:
    """Wire the app.

    Args:
        settings: the model and the bounds.
        telemetry: log and metrics of the process; its health is replaced by one that wakes the loops.
        environment: of the engine's process; our own settings are left out of it.
        cpus: CPUs that this process may use.
        http: for the server's own requests to the engine.
        entities: takes the reports.
        pool: connections to the engine.
        clock: returns seconds of a steady clock.

    Raises:
        LogitsError: ``INVALID`` when LOGITS_MODEL isn't understood.
    """
    model = parse_served_model(settings.model)
    news = News()
    telemetry = replace(telemetry, health=ObservedHealth(news))
    metrics = Metrics.create(telemetry.registry)
    traffic = Traffic(metrics, news)
    supervisor = EngineSupervisor(
        _engine(settings, model, environment=environment, cpus=cpus, http=http),
        news,
        in_flight=lambda: traffic.in_flight,
        load_seconds=settings.load_seconds,
        metrics=metrics,
        log=telemetry.log,
        clock=clock,
    )
    reporter = Reporter(
        entities,
        _place(settings),
        model,
        supervisor=supervisor,
        traffic=traffic,
        news=news,
        metrics=metrics,
        log=telemetry.log,
        clock=clock,
        timestamp=_timestamp,
    )
    state = EngineState(model, settings.deployment, supervisor, traffic)
    return LlmServer(
        asgi=_asgi(telemetry, state),
        protocol=relay_protocol(
            EngineRelay(supervisor, traffic), pool, options=RelayOptions(trust_forwarded=True, reject=openai_rejection)
        ),
        telemetry=telemetry,
        supervisor=supervisor,
        reporter=reporter,
        readiness=Readiness(telemetry.health, supervisor, news, settings.drain_seconds),
    )


def _asgi(telemetry: Telemetry, state: EngineState) -> Litestar:
    return Litestar(
        route_handlers=[engine_route],
        dependencies={"state_of": Provide(lambda: state, sync_to_thread=False)},
        exception_handlers=exception_handlers(telemetry.log),
        logging_config=None,
        openapi_config=None,
    )


def _engine(
    settings: Settings, model: ServedModel, *, environment: Mapping[str, str], cpus: int, http: httpx.AsyncClient
) -> Engine:
    path = source_path(model, settings.models_directory)
    inherited = {name: value for name, value in environment.items() if not name.startswith("LOGITS_")}
    api = EngineApi(http, settings.deployment)
    if model.engine == "llamacpp":
        return LlamacppEngine(
            model=model,
            path=path,
            alias=settings.deployment,
            api=api,
            environment=inherited,
            cpus=cpus,
            threads=settings.engine_threads,
            stop_seconds=settings.stop_seconds,
        )
    return VllmEngine(
        model=model,
        path=path,
        aliases=tuple(dict.fromkeys((settings.deployment, model.name))),
        api=api,
        environment=inherited,
        installation=settings.vllm_environment,
        gpu_memory_mib=settings.gpu_memory_mib,
        stop_seconds=settings.stop_seconds,
    )


def _place(settings: Settings) -> Place:
    anywhere = settings.listen_address in {"0.0.0.0", "::"}
    address = "127.0.0.1" if anywhere else settings.listen_address
    name = settings.pod_name or f"llm-server-{settings.deployment}"
    return Place(name, settings.deployment, address, settings.http_port)


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
