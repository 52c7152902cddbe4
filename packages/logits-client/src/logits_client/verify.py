"""The audit verifier: proves that a log holds together, with nothing but the standard library.

Copy this one file to verify without installing anything:
``python verify.py FILE`` reads the log, one JSON entry per line.

- ``event`` is canonical JSON: sorted keys, no spaces, non-ASCII characters escaped.
- ``leaf = SHA-256(0x00 || event)``
- ``hash = SHA-256(0x01 || previous hash || index as 8 bytes big-endian || leaf)``
- the first entry has index 1 and links to 32 zero bytes.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

GENESIS = "0" * 64


@dataclass
class Report:
    """What was proved and what was not.

    Attributes:
        entries: how many entries hold.
        head: hash of the last one; compare it with one that you noted earlier.
        problem: the first entry that doesn't hold, in words; empty when all do.
        unmatched: audit ids of intents without an outcome: acts that a crash interrupted.
    """

    entries: int = 0
    head: str = GENESIS
    problem: str = ""
    unmatched: list[str] = field(default_factory=list[str])

    def lines(self) -> list[str]:
        """The report in plain words."""
        if self.problem:
            return [f"BROKEN: {self.problem}", f"{self.entries} entries before it hold."]
        said = [
            f"{self.entries} entries hold: none was changed, removed, inserted or moved within them.",
            f"head {self.head}",
            "Not proved: that nothing was cut off after the last entry. "
            "Compare the head with one that you noted earlier.",
        ]
        if self.unmatched:
            said.append(f"{len(self.unmatched)} acts were begun and have no outcome: {', '.join(self.unmatched)}")
        return said


def verify(entries: Iterable[dict[str, Any]]) -> Report:
    """Verify a whole log from its first entry on."""
    report = Report()
    begun: dict[str, None] = {}
    for entry in entries:
        report.problem = _fault(report, entry)
        if report.problem:
            break
        report.entries, report.head = entry["index"], entry["hash"]
        event = entry["event"]
        if event.get("stage") == "RequestReceived":
            begun[event.get("auditID", "")] = None
        elif event.get("stage") == "ResponseComplete":
            begun.pop(event.get("auditID", ""), None)
    report.unmatched = list(begun)
    return report


def _fault(report: Report, entry: dict[str, Any]) -> str:
    expected = report.entries + 1
    if not isinstance(entry.get("event"), dict) or not isinstance(entry.get("index"), int):
        return f"what follows entry {report.entries} is no entry"
    if entry["index"] != expected:
        return f"entry {expected} is missing; entry {entry['index']} stands in its place"
    if entry.get("previous") != report.head:
        return f"entry {expected} does not follow the one before it"
    event = json.dumps(entry["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    leaf = hashlib.sha256(b"\x00" + event).digest()
    linked = b"\x01" + bytes.fromhex(report.head) + expected.to_bytes(8, "big") + leaf
    if entry.get("hash") != hashlib.sha256(linked).hexdigest():
        return f"entry {expected} was changed after it was written"
    return ""


def read_lines(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    """Entries of a log with one JSON object per line; a line that is none breaks the chain there."""
    for line in lines:
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError:
                yield {}


def main(arguments: list[str]) -> int:
    """Verify the file named in the arguments; exit code 1 when the chain is broken."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python verify.py FILE\n")
        return 2
    with Path(arguments[0]).open(encoding="utf-8") as file:
        report = verify(read_lines(file))
    sys.stdout.write("\n".join(report.lines()) + "\n")
    return 1 if report.problem else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
