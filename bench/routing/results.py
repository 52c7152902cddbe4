"""The results of the routing bench as its report wants them: found by case, with intervals, in tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from logits_core.simulation.outcome import mean
from routing.cases import Case, Figures

STUDENT = {2: 12.7, 3: 4.30, 4: 3.18, 5: 2.78}


@dataclass(frozen=True)
class Result:
    """A case and what it came to."""

    case: Case
    figures: Figures


def of(results: Iterable[Result], workload: str, router: str, routers: int = 1) -> list[Figures]:
    """Return what one router came to on one workload, for each seed."""
    return [
        r.figures for r in results if (r.case.workload, r.case.router, r.case.routers) == (workload, router, routers)
    ]


def half(values: Sequence[float]) -> float:
    """Return half of the 95 % confidence interval of a mean; 0.0 when one value says nothing of it."""
    if len(values) < 2:
        return 0.0
    middle = mean(values)
    return STUDENT[len(values)] * (sum((v - middle) ** 2 for v in values) / (len(values) - 1) / len(values)) ** 0.5


def interval(values: Sequence[float], form: str) -> str:
    """Return a mean with its interval."""
    return f"{mean(values):{form}} ± {half(values):{form}}" if len(values) > 1 else format(mean(values), form)


def worse(ours: Sequence[float], theirs: Sequence[float], sign: int) -> bool:
    """Say whether ours is worse beyond noise: intervals apart, `sign` 1 where less is better, -1 where more is."""
    return sign * (mean(ours) - mean(theirs)) > half(ours) + half(theirs)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    found = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*found, *("| " + " | ".join(row) + " |" for row in rows), ""]
