"""The bounds that our router is held to, each beside what the runs came to, met or missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from logits_core.simulation.outcome import mean
from logits_core.simulation.workloads.shared_prefix import STAGES
from logits_core.simulation.workloads.trace import ideal_hits
from routing.cases import CONTENDERS, DISTURBANCES, SINGLE, SWEEP, Figures, lines
from routing.decision import Cost
from routing.results import Result, interval, of, table, worse

MEASURES: tuple[tuple[str, Callable[[Figures], float], int, str], ...] = (
    ("output tokens/s", lambda run: run.output_rate, -1, ".0f"),
    ("mean s to the first token", lambda run: run.first_mean, 1, ".3f"),
    ("p90 s to the first token", lambda run: run.first_p90, 1, ".3f"),
)
IDEAL_SHARE = 0.9
MOST_LOST = 0.05
MOST_ABOVE_MEAN = 2.0
MOST_DISTURBED = 0.1
MOST_MICROSECONDS = 50.0

Row = tuple[str, str, str, bool]


def bounds(results: Sequence[Result], costs: Sequence[Cost]) -> list[str]:
    """Return the table of all bounds."""
    rows = [*_capacity(results), *_conversation(results), *_replicas(results), *_rest(results, costs)]
    head = ("bound", "Logits", "against", "")
    return [
        "### Bounds", "",
        "What the router is held to. Beyond noise means that 95 % confidence intervals over five seeds are apart.", "",
        *table(head, ((what, ours, than, "met" if met else "**missed**") for what, ours, than, met in rows)),
    ]  # fmt: skip


def _capacity(results: Sequence[Result]) -> Iterator[Row]:
    for routers, baselines in ((1, [n for n in CONTENDERS if n != "Logits"]), (4, ["llm-d precise"])):
        called = f"73-capacity, {routers} router" + ("s" if routers > 1 else "")
        ours, precise = (of(results, "73-capacity", name, routers) for name in ("Logits", "llm-d precise"))
        for what, get, sign, form in MEASURES:
            mine, theirs = [get(run) for run in ours], [get(run) for run in precise]
            met = not worse(mine, theirs, sign)
            than = interval(theirs, form) + " (llm-d precise)"
            yield f"{called}: {what} no worse beyond noise", interval(mine, form), than, met
        for field, (what, _, sign, _) in enumerate(MEASURES):
            bad = [
                f"{rate:g}"
                for stage, (rate, _) in enumerate(STAGES, 1)
                if worse(
                    [run.stages[stage][field] for run in ours],
                    _best(results, baselines, routers, stage, field, sign),
                    sign,
                )
            ]
            said = "worse at " + ", ".join(bad) + " requests/s" if bad else "at no stage worse"
            yield f"{called}: {what} at every stage no worse beyond noise", said, "the best of each stage", not bad


def _best(
    results: Sequence[Result], baselines: Sequence[str], routers: int, stage: int, field: int, sign: int
) -> list[float]:
    found = [[run.stages[stage][field] for run in of(results, "73-capacity", name, routers)] for name in baselines]
    return min(found, key=lambda values: sign * mean(values))


def _conversation(results: Sequence[Result]) -> Iterator[Row]:
    ideal = ideal_hits(lines())
    for routers in (1, 4):
        hits = of(results, "conversation, roomy", "Logits", routers)[0].hit_share
        called = f"conversation where memory allows it, {routers} router" + ("s" if routers > 1 else "")
        yield (
            f"{called}: hits at least 90 % of the ideal",
            f"{hits / ideal:.1%}",
            f"{ideal:.1%} ideal",
            hits >= IDEAL_SHARE * ideal,
        )
    others = [name for name in SINGLE if name not in ("oracle", "Logits")]
    for speed in SWEEP:
        found = {name: of(results, f"conversation x{speed:g}", name)[0].first_p99 for name in (*others, "Logits")}
        first = min(others, key=lambda name: found[name])
        ours = found["Logits"]
        what = f"conversation x{speed:g}: p99 s to the first token below every baseline"
        yield what, f"{ours:.2f}", f"{found[first]:.2f} ({first})", ours <= found[first]


def _replicas(results: Sequence[Result]) -> Iterator[Row]:
    for workload in ("73-capacity", "conversation", "agents"):
        alone, four = (mean(run.hit_share for run in of(results, workload, "Logits", n)) for n in (1, 4))
        what = f"{workload}: at most 5 % of hits lost from 1 to 4 routers"
        yield what, f"{1 - four / alone:.1%}", "", four >= (1 - MOST_LOST) * alone


def _rest(results: Sequence[Result], costs: Sequence[Cost]) -> Iterator[Row]:
    agents = of(results, "agents", "Logits")[0].hit_share
    yield "agents: hits at least 90 % of the ideal, which is below 100 %", f"{agents:.1%}", "", agents >= IDEAL_SHARE
    most = of(results, "one-hot prefix", "Logits")[0].most_share
    yield "one-hot prefix: no engine above twice the mean", f"{most:.2f}", "", most <= MOST_ABOVE_MEAN
    runs = {r.case.label: r.figures for r in results if r.case.workload == "disturbed agents"}
    calm = runs["undisturbed"].late_mean
    for label in DISTURBANCES:
        if label != "undisturbed":
            change = runs[label].late_mean / calm - 1
            what = f"{label}: first tokens within 10 % of the undisturbed 30 s later"
            yield what, f"{change:+.1%}", "", change <= MOST_DISTURBED
    cost = next(c for c in costs if (c.endpoints, c.tokens) == (8, 16_000))
    what = "a decision among 8 endpoints for 16,000 tokens: p50 at most 50 µs, hashing included"
    yield what, f"{cost.whole_p50:.0f} µs", "", cost.whole_p50 <= MOST_MICROSECONDS
