"""The figures of the Gateway on the cluster that KUBECONFIG names, beside kubectl proxy in the same run.

``python bench/gateway/run.py [--write] [--changes N] [--kills N]`` installs the chart into a namespace of its
own, runs the Gateway as a process on this machine, measures, and takes everything away again. ``--write`` puts
the table into docs/gateway.md. `make bench-gateway` starts a cluster for it.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from pathlib import Path

from costs import WATCHES, compare, watches
from durability import Drill, judge, verifier_speed
from place import ROOT, Place

PAGE = ROOT / "docs/gateway.md"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
MIB = 1 << 20
Row = tuple[str, str, str]


def costs(place: Place) -> list[Row]:
    """Processor time and memory."""
    best = compare(place)
    gateway, plain = best["Gateway"], best["kubectl proxy"]
    rows = [
        (what, f"{ours:,.0f} µs against {theirs:,.0f} µs: {ours / theirs:.1f} ×", "2 ×")
        for what, ours, theirs in (
            ("processor time of a GET, Gateway against `kubectl proxy`", gateway.get, plain.get),
            ("processor time of a create with its two durable records", gateway.create, plain.create),
        )
    ]
    resident, seconds = watches(place)
    rows.append((f"{WATCHES:,} open watches in one process, resident", f"{resident / MIB:.0f} MiB", "128 MiB"))
    rows.append((f"a change until all {WATCHES:,} watches have seen it", f"{seconds:.2f} s", ""))
    return rows


def durability(place: Place, changes: int, kills: int) -> list[Row]:
    """The drill, and the verifier on the log that it leaves."""
    drill = Drill(place, changes, kills)
    drill.run()
    place.stop()
    log = sorted((place.directory / "volume/audit").glob("[0-9]*/checkpoint"))[-1].parent
    found = judge(drill, log)
    size, speed = verifier_speed(log)
    lost = found.lost_receipts + found.unrecorded + found.missing
    told = f"{lost} lost; {found.acknowledged:,} answered, {found.unfinished} shown as begun without an outcome"
    return [
        (f"{changes:,} audited creates through {kills} × `kill -9`", told, "0 lost"),
        ("the log after it", found.problem or f"{found.records:,} records hold", "holds"),
        (
            "the one-file verifier, a second of processor time, its start included",
            f"{speed:,.0f} of {size:,} records",
            "50,000 records",
        ),
    ]


def table(rows: list[Row]) -> str:
    """As Markdown."""
    lines = ["| Figure | Measured | Bound |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The figures of the Gateway.")
    parser.add_argument("--write", action="store_true", help="put the table into docs/gateway.md")
    parser.add_argument("--changes", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=100)
    given = parser.parse_args(arguments)
    # A watch takes four descriptors: two here, two in the Gateway, which inherits the limit.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory() as directory:
        place = Place(Path(directory), {"LOGITS_MAX_WATCHES": str(WATCHES + 100)})
        try:
            place.install()
            place.start()
            rows = [*costs(place), *durability(place, given.changes, given.kills)]
        finally:
            place.remove()
    text = table(rows)
    sys.stdout.write(text)
    if given.write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        PAGE.write_text(head + BEGIN + text + END + rest.partition(END)[2], encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
