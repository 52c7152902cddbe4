"""The report of the routing bench: tables and charts of docs/routing.md, made from the runs' figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from logits_core.simulation.chart import line_chart
from logits_core.simulation.outcome import mean
from logits_core.simulation.workloads.shared_prefix import STAGES
from logits_core.simulation.workloads.trace import ideal_hits
from routing import decision
from routing.bounds import bounds
from routing.cases import (
    CONTENDERS,
    DISTURBANCES,
    LADDER_REPLICAS,
    OTHER_WORKLOADS,
    OTHERS,
    REPLICATED,
    REPLICATED_OTHERS,
    SINGLE,
    SWEEP,
    WHOLE_TRACE,
    Figures,
    lines,
)
from routing.decision import Spent
from routing.names import EVENTS
from routing.results import Result, interval, of, table

BEGIN = "<!-- figures: written by `make bench-routing` -->"
END = "<!-- end of figures -->"
MEASURED = "Microseconds of processor time in Python, hashing and reservation; the quietest of five batches."
PUBLISHED = {
    "random": (4429, 45.3, 92.6),
    "llm-d load only": (4267, 47.0, 94.9),
    "llm-d estimated": (6944, 13.3, 31.1),
    "llm-d precise": (8730, 0.298, 0.542),
}


def write(docs: Path, results: Sequence[Result], spent: Spent) -> None:
    """Write the charts, and the figures between the marks of docs/routing.md."""
    parts = [
        *bounds(results, spent.decisions), *_ahead(results), *_ladder(results),
        *_stages(results, 1, [name for name in CONTENDERS if name != "Logits"]),
        *_stages(results, 4, ["llm-d precise"]), *_conversation(results), *_others(results), *_replicas(results),
        *_disturbed(results), *_costs(spent),
    ]  # fmt: skip
    page = docs / "routing.md"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(before + BEGIN + "\n\n" + "\n".join(parts) + "\n" + END + after, encoding="utf-8")
    (docs / "routing").mkdir(exist_ok=True)
    (docs / "routing" / "ladder.svg").write_text(_ladder_chart(results), encoding="utf-8")
    (docs / "routing" / "conversation.svg").write_text(_sweep_chart(results), encoding="utf-8")


def _named(router: str) -> str:
    return f"**{router}**" if router.startswith("Logits") else router + (" †" if router in EVENTS else "")


def _ladder(results: Sequence[Result]) -> list[str]:
    def row(router: str, workload: str, routers: int) -> list[str]:
        runs = of(results, workload, router, routers)
        published = PUBLISHED.get(router) if workload == "73-capacity" and routers == 1 else None
        return [
            _named(router) + (f", {routers} routers" if routers > 1 else ""),
            interval([r.output_rate for r in runs], ".0f"),
            interval([r.first_mean for r in runs], ".3f"),
            interval([r.first_p90 for r in runs], ".3f"),
            f"{mean(r.hit_share for r in runs):.1%}",
            f"{published[0]}; {published[1]}; {published[2]}" if published else "",
        ]

    head = ("router", "output tokens/s", "first token, mean s", "p90 s", "hits", "published")
    rows = [row(name, "73-capacity", 1) for name in SINGLE]
    rows += [row(name, "73-capacity", replicas) for name, replicas in LADDER_REPLICAS]
    small = sorted({r.case.router for r in results if r.case.workload == "37-capacity"}, key=SINGLE.index)
    return [
        "### 73-capacity", "", "The whole ladder, warm-up included; ± is a 95 % confidence interval over seeds.", "",
        *table(head, rows), "![first token over the ladder](routing/ladder.svg)", "",
        "### 37-capacity", "", *table(head[:5], [row(name, "37-capacity", 1)[:5] for name in small]),
    ]  # fmt: skip


def _stages(results: Sequence[Result], routers: int, baselines: Sequence[str]) -> list[str]:
    def values(router: str, stage: int, field: int) -> list[float]:
        return [run.stages[stage][field] for run in of(results, "73-capacity", router, routers)]

    def best(stage: int, field: int, form: str) -> str:
        sign = -1 if field == 0 else 1
        name = min(baselines, key=lambda each: sign * mean(values(each, stage, field)))
        return f"{interval(values(name, stage, field), form)} ({name})"

    rows = [
        [f"{rate}", *(cell for field, form in ((0, ".0f"), (1, ".3f"), (2, ".3f"))
                      for cell in (interval(values("Logits", stage, field), form), best(stage, field, form)))]
        for stage, (rate, _) in enumerate(STAGES, 1)
    ]  # fmt: skip
    head = ("requests/s", "Logits, tokens/s", "best baseline", "first token, mean s", "best baseline", "p90 s",
            "best baseline")  # fmt: skip
    return [f"### 73-capacity by stage, {routers} router{'s' if routers > 1 else ''}", "",
            "Beside the best of the baselines that ran with five seeds: " + ", ".join(baselines) + ".", "",
            *table(head, rows)]  # fmt: skip


def _ahead(results: Sequence[Result]) -> list[str]:
    """Where another router is better than ours by more than 2 %, the oracle aside."""
    rows: list[list[str]] = []
    measures: tuple[tuple[str, Callable[[Figures], float], int], ...] = (
        ("mean s to the first token", lambda run: run.first_mean, 1),
        ("p99 s to the first token", lambda run: run.first_p99, 1),
        ("hits", lambda run: run.hit_share, -1),
        ("output tokens/s", lambda run: run.output_rate, -1),
    )
    for workload in dict.fromkeys(r.case.workload for r in results if r.case.routers == 1):
        if workload == "disturbed agents":
            continue
        names = [name for name in SINGLE if name != "oracle" and of(results, workload, name)]
        for what, get, sign in measures:
            values = {name: mean(get(run) for run in of(results, workload, name)) for name in names}
            first = min(names, key=lambda name: sign * values[name])
            if sign * (values["Logits"] - values[first]) > 0.02 * values[first]:
                rows.append([workload, what, f"{first}: {values[first]:.3g}", f"{values['Logits']:.3g}"])
    return ["### Where another router is ahead", "", "By more than 2 %, with one router; the oracle isn't counted.", "",
            *table(("workload", "measure", "best", "Logits"), rows)]  # fmt: skip


def _conversation(results: Sequence[Result]) -> list[str]:
    def sweep(get: Callable[[Figures], float], form: str) -> list[list[str]]:
        return [
            [
                _named(name),
                *(interval([get(r) for r in of(results, f"conversation x{speed:g}", name)], form) for speed in SWEEP),
            ]
            for name in SINGLE
        ]

    def whole(workload: str) -> list[list[str]]:
        found = [(name, 1, run) for name in WHOLE_TRACE for run in of(results, workload, name)]
        found += [("Logits", 4, run) for run in of(results, workload, "Logits", 4)]
        return [
            [_named(name) + (f", {routers} routers" if routers > 1 else ""), f"{run.hit_share:.1%}",
             f"{run.first_mean:.3f}", f"{run.first_p99:.2f}"]
            for name, routers, run in found
        ]  # fmt: skip

    head = ("router", *(f"x{speed:g}" for speed in SWEEP))
    columns = ("router", "hits", "first token, mean s", "p99 s")
    return [
        "### Conversation trace", "",
        f"The whole trace at its own speed; one endless cache for all would hit {ideal_hits(lines()):.1%} of its "
        "blocks, eight engines of 421,000 tokens cannot hold that.", "",
        *table(columns, whole("conversation")),
        "The same with engines that keep 12 million tokens of cache each in host memory, where all of it fits:", "",
        *table(columns, whole("conversation, roomy")),
        "p99 seconds to the first token of its first 4,000 requests, replayed faster:", "",
        *table(head, sweep(lambda run: run.first_p99, ".2f")),
        "The mean:", "", *table(head, sweep(lambda run: run.first_mean, ".3f")),
        "Hits, %:", "", *table(head, sweep(lambda run: 100 * run.hit_share, ".1f")),
        "![first token over the speed of the trace](routing/conversation.svg)", "",
    ]  # fmt: skip


def _others(results: Sequence[Result]) -> list[str]:
    found = ["### Other workloads", ""]
    for workload in OTHER_WORKLOADS:
        rows = [
            [
                _named(name), f"{run.first_mean:.3f}", f"{run.first_p99:.2f}", f"{run.hit_share:.1%}",
                f"{1000 * run.token_p99:.0f}", f"{run.most_share:.2f}", f"{run.dollars:.2f}",
            ]
            for name in OTHERS
            for run in of(results, workload, name)
        ]  # fmt: skip
        head = (
            "router",
            "first token, mean s",
            "p99 s",
            "hits",
            "token p99 ms",
            "busiest / mean",
            "$ / million tokens",
        )
        found += [f"**{workload}**", "", *table(head, rows)]
    return found


def _replicas(results: Sequence[Result]) -> list[str]:
    rows: list[list[str]] = []
    for workload in REPLICATED:
        for name in (*REPLICATED_OTHERS, "Logits", "Logits, gossip"):
            alone = of(results, workload, name.removesuffix(", gossip"))[0]
            for routers in (1, 2, 4, 16):
                for run in of(results, workload, name, routers):
                    lost = f"{1 - run.hit_share / alone.hit_share:.1%}" if routers > 1 else ""
                    rows.append(
                        [workload, _named(name), str(routers), f"{run.hit_share:.1%}", lost, f"{run.first_mean:.3f}",
                         f"{run.first_p99:.2f}"]
                    )  # fmt: skip
    return ["### Several routers", "", *table(
        ("workload", "router", "replicas", "hits", "hits lost", "first token, mean s", "p99 s"), rows)]  # fmt: skip


def _disturbed(results: Sequence[Result]) -> list[str]:
    runs = {r.case.label: r.figures for r in results if r.case.workload == "disturbed agents"}
    calm = runs["undisturbed"]
    rows = [
        [label, f"{run.late_mean:.3f}", f"{run.late_mean / calm.late_mean - 1:+.1%}", f"{run.late_hits:.1%}",
         f"{run.late_hits / calm.late_hits - 1:+.1%}", str(run.failed)]
        for label in DISTURBANCES for run in (runs[label],)
    ]  # fmt: skip
    head = ("what happens", "first token, mean s", "change", "hits", "change", "failed requests")
    return ["### Disturbances", "", "Requests that arrive 30 s or more after the event.", "", *table(head, rows)]


def _costs(spent: Spent) -> list[str]:
    rows = [
        [str(c.endpoints), str(c.tokens), f"{c.hashing_p50:.0f}", f"{c.whole_p50:.0f}", f"{c.whole_p99:.0f}"]
        for c in spent.decisions
    ]
    rounds = [
        [str(r.endpoints), str(r.size), *(f"{each:.1f}" for each in (r.hashing, r.reserving, r.beginning, r.ending)),
         f"{r.whole:.1f}"]
        for r in spent.rounds
    ]  # fmt: skip
    once, again = spent.memory
    return ["### What a decision costs", "", MEASURED, "",
            *table(("endpoints", "prompt tokens", "hashing p50", "whole p50", "whole p99"), rows),
            "A whole request, from its bytes to the release of its place; 400 prompts that share their first half:", "",
            *table(("endpoints", "bytes", "hashing", "reserving", "first byte", "release", "whole"), rounds),
            "A router whose index of eight engines of 421,000 tokens is full takes "
            f"{once:.2f} MiB, and {again:.2f} MiB after {decision.FILLINGS[1] // decision.FILLINGS[0]} times as many "
            "prompts have passed through it.", ""]  # fmt: skip


def _ladder_chart(results: Sequence[Result]) -> str:
    names = ("random", "llm-d estimated", "SGLang (command line)", "llm-d precise", "LMetric", "Logits")
    drawn = {
        name: [(float(rate), mean(r.stages[n][2] for r in of(results, "73-capacity", name)))
               for n, (rate, _) in enumerate(STAGES, 1)]
        for name in names
    }  # fmt: skip
    return line_chart("73-capacity: p90 seconds to the first token", "requests a second", "s", drawn, most=1.0)


def _sweep_chart(results: Sequence[Result]) -> str:
    names = ("random", "least request", "llm-d estimated, tuned", "llm-d precise", "LMetric", "oracle", "Logits")
    drawn = {
        name: [(speed, of(results, f"conversation x{speed:g}", name)[0].first_mean) for speed in SWEEP]
        for name in names
    }
    return line_chart("Conversation trace: mean seconds to the first token", "speed", "s", drawn, most=2.0)
