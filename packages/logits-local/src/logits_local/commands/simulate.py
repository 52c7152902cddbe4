"""`logits simulate`: what traffic would come to on a fleet of engines, and how many it needs."""

from __future__ import annotations

import lzma
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from logits_core.errors import LogitsError
from logits_core.simulation.chart import line_chart
from logits_core.simulation.fleet import Setup, Simulation, Workload
from logits_core.simulation.learned import Gossiping, Learned
from logits_core.simulation.outcome import Summary
from logits_core.simulation.policy import LeastRequest, Policy, PowerOfTwo, RoundRobin, Router
from logits_core.simulation.profiles import PROFILES, Profile
from logits_core.simulation.sizing import Target, engines_needed
from logits_core.simulation.workloads import Agents, Mixed, Trace, capacity_73, read_trace

ROUTERS: dict[str, Router] = {
    "logits": Learned,
    "logits-gossip": Gossiping(),
    "least-request": LeastRequest,
    "power-of-two": PowerOfTwo,
    "round-robin": RoundRobin,
    "random": Policy,
}
WORKLOADS: dict[str, Callable[[float], Workload]] = {
    "agents": lambda rate: Agents(rate=rate, seconds=180.0),
    "mixed": lambda rate: Mixed(rate=rate, seconds=120.0, prefixes=50, prefix_sigma=0.7),
    "capacity-73": lambda _: capacity_73(),
}
MILLISECONDS = 1000


@dataclass(frozen=True)
class _Question:
    engine: Profile
    router: str
    routers: int
    seed: int
    workload: Callable[[], Workload]

    def simulate(self, replicas: int) -> Summary:
        setup = Setup((self.engine,) * replicas, ROUTERS[self.router], routers=self.routers)
        # Simulated chance, not a secret.
        chance = random.Random(self.seed).random  # noqa: S311
        return Simulation(setup, self.workload(), chance).run().summary()


@click.command("simulate")
@click.option("--trace", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Requests, one JSON object a line (Mooncake's format), plain or .xz.")  # fmt: skip
@click.option("--workload", type=click.Choice(sorted(WORKLOADS)), default="agents", show_default=True,
              help="Made-up traffic, where there is no trace.")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
              help="Of the workload: sessions or requests a second. Of a trace: how many times faster.")  # fmt: skip
@click.option("--engine", type=click.Choice(sorted(PROFILES)), default="llama-8b-h100", show_default=True,
              help="Model and GPU of each engine.")  # fmt: skip
@click.option("--replicas", type=click.IntRange(1, 1024), default=8, show_default=True, help="Engines.")
@click.option("--router", "names", type=click.Choice(sorted(ROUTERS)), multiple=True, default=("logits",),
              show_default=True, help="May be given several times, to compare.")  # fmt: skip
@click.option("--routers", type=click.IntRange(1, 64), default=1, show_default=True, help="Router replicas.")
@click.option("--target", type=click.FloatRange(0, min_open=True),
              help="Find the fewest engines for which 90 % of first tokens come within so many seconds.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Equal seeds give equal figures.")
@click.option("--chart", type=click.Path(dir_okay=False, path_type=Path), help="Also write an SVG chart here.")
def simulate(
    *,
    trace: Path | None,
    workload: str,
    rate: float,
    engine: str,
    replicas: int,
    names: tuple[str, ...],
    routers: int,
    target: float | None,
    seed: int,
    chart: Path | None,
) -> None:
    """Simulate traffic on a fleet: throughput, latencies, cache hits and cost."""
    make = _replayed(trace, rate) if trace else lambda: WORKLOADS[workload](rate)
    asked = {name: _Question(PROFILES[engine], name, routers, seed, make) for name in names}
    if target is None:
        found = {name: {replicas: question.simulate(replicas)} for name, question in asked.items()}
    else:
        found = {name: _sized(name, question, target) for name, question in asked.items()}
    _show(found, PROFILES[engine])
    if chart:
        _draw(chart, found)


def _replayed(path: Path, speed: float) -> Callable[[], Workload]:
    try:
        packed = path.read_bytes()
        text = lzma.decompress(packed) if path.suffix == ".xz" else packed
        lines = read_trace(text.decode("utf-8").splitlines())
    except LogitsError as error:
        raise click.ClickException(error.message) from None
    except (lzma.LZMAError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} can't be read: {error}. Give a text file or one packed by xz.") from None
    if not lines:
        raise click.ClickException(f"{path} holds no request.")
    return lambda: Trace(lines, speed=speed)


def _sized(name: str, question: _Question, target: float) -> dict[int, Summary]:
    sizing = engines_needed(question.simulate, Target(target))
    if sizing.engines is None:
        click.echo(f"{name}: no fleet of up to {max(sizing.tried)} engines keeps p90 within {target:g} s.")
    else:
        click.echo(f"{name}: {sizing.engines} engines keep p90 of the first token within {target:g} s.")
    return sizing.tried


def _show(found: dict[str, dict[int, Summary]], engine: Profile) -> None:
    table = Table("router", "engines", "tokens/s", "p50 s", "p90 s", "p99 s", "token ms", "hits", "$/M")
    for name, runs in found.items():
        for replicas, run in runs.items():
            table.add_row(
                name, str(replicas), f"{run.output_rate:.0f}", f"{run.first_p50:.3f}", f"{run.first_p90:.3f}",
                f"{run.first_p99:.2f}", f"{MILLISECONDS * run.token_p50:.1f}", f"{run.hit_share:.1%}",
                f"{run.dollars:.2f}",
            )  # fmt: skip
    console = Console(highlight=False)
    console.print(table)
    console.print("p50 to p99: seconds to the first token; tokens/s: output; $/M: for a million tokens, in and out.")
    console.print(f"Simulated with {engine.name} at {engine.hourly:g} $ an hour for each engine; not measured.")


def _draw(path: Path, found: dict[str, dict[int, Summary]]) -> None:
    sizes = {name: [(float(n), run.first_p90) for n, run in runs.items()] for name, runs in found.items()}
    if all(len(points) == 1 for points in sizes.values()):
        sizes = {
            name: [(50.0, run.first_p50), (90.0, run.first_p90), (99.0, run.first_p99)]
            for name, runs in found.items()
            for run in runs.values()
        }
        path.write_text(line_chart("Seconds to the first token", "percentile", "s", sizes), encoding="utf-8")
    else:
        path.write_text(line_chart("p90 seconds to the first token", "engines", "s", sizes), encoding="utf-8")
    click.echo(f"The chart is in {path}.")
