"""The routing bench: runs every case on two processes and writes docs/routing.md with its charts.

``python -m routing.run`` from bench/; ``--quick`` runs the subset that the tests run and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

from routing import decision
from routing.cases import Case, Figures, all_cases, quick_cases, run
from routing.report import write
from routing.results import Result

DOCS = Path(__file__).resolve().parents[2] / "docs"
FIGURES = DOCS / "routing" / "figures.json"


def simulate(cases: Iterable[Case], workers: int) -> list[Result]:
    """Run cases; the order stays."""
    chosen = list(cases)
    with ProcessPoolExecutor(workers) as pool:
        results: list[Result] = []
        for case, figures in zip(chosen, pool.map(run, chosen), strict=True):
            print(line(case, figures), flush=True)
            results.append(Result(case, figures))
    return results


def line(case: Case, figures: Figures) -> str:
    """Return one run as a line of text."""
    return (
        f"{case.workload:20s} {case.router:24s} routers {case.routers:2d} seed {case.seed} {case.label}"
        f" out {figures.output_rate:7.0f} tok/s, first mean {figures.first_mean:7.3f} p90 {figures.first_p90:7.3f}"
        f" p99 {figures.first_p99:7.2f} s, hits {figures.hit_share:6.1%}, failed {figures.failed}"
    )


def main() -> int:
    """Run, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the tests' subset; writes nothing")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    chosen = parser.parse_args()
    began = time.monotonic()
    if chosen.quick:
        simulate(quick_cases(), chosen.workers)
        return 0
    spent = decision.spent()
    results = simulate(all_cases(), chosen.workers)
    minutes = (time.monotonic() - began) / 60
    FIGURES.parent.mkdir(exist_ok=True)
    kept = [{"case": asdict(r.case), "figures": asdict(r.figures)} for r in results]
    FIGURES.write_text(json.dumps(kept, indent=None) + "\n", encoding="utf-8")
    write(DOCS, results, spent)
    print(f"{len(results)} runs in {minutes:.1f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
