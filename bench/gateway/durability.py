"""The durability drill: audited changes while the Gateway is killed again and again, and the count of what was lost."""

from __future__ import annotations

import asyncio
import base64
import random
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from costs import config
from place import Place

import logits_client.verify as verifier

WORKERS = 16


@dataclass
class Drill:
    """What was acknowledged, and what the log and the cluster hold afterwards.

    Attributes:
        place: with a running Gateway.
        changes: to be made.
        kills: to be survived.
        acknowledged: name of each change that was answered with success -> the receipt's index and leaf hash.
    """

    place: Place
    changes: int
    kills: int
    acknowledged: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    done: int = 0
    progress: asyncio.Event = field(default_factory=asyncio.Event)

    def run(self) -> None:
        """Make all changes."""
        chance = random.Random(20)
        marks = sorted(chance.sample(range(self.changes // 200, self.changes), self.kills))
        asyncio.run(self._run(marks))

    async def _run(self, marks: list[int]) -> None:
        waiting = iter(range(self.changes))
        up = asyncio.Event()
        up.set()
        headers = {"content-type": "application/json", "authorization": f"Bearer {self.place.token}"}
        async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as client:

            async def worker() -> None:
                for number in waiting:
                    await self._change(client, f"logits-d{number}", up)
                    self.done += 1
                    self.progress.set()

            async def killer() -> None:
                for mark in marks:
                    await self._made(mark)
                    up.clear()
                    self.place.stop(kill=True)
                    await asyncio.to_thread(self.place.start)
                    up.set()

            await asyncio.gather(killer(), *(worker() for _ in range(WORKERS)))

    async def _made(self, mark: int) -> None:
        while self.done < mark:
            self.progress.clear()
            await self.progress.wait()

    async def _change(self, client: httpx.AsyncClient, name: str, up: asyncio.Event) -> None:
        while True:
            await up.wait()
            try:
                answer = await client.post(self.place.url + "/configmaps", content=config(name))
            except httpx.HTTPError:
                continue  # killed under it: whether it was done is for the log to tell
            if answer.is_success:
                parts = dict(part.split("=", 1) for part in answer.headers["x-audit-receipt"].split(", "))
                self.acknowledged[name] = (int(parts["index"]), parts["leaf"].strip(":"))
            elif answer.status_code in (429, 503):
                await asyncio.sleep(0.05)
                continue
            elif answer.status_code != 409:
                raise SystemExit(f"{name}: {answer.status_code} {answer.text[:300]}")
            return


@dataclass(frozen=True)
class Outcome:
    """What the drill found: everything but the first three should be 0."""

    acknowledged: int
    records: int
    unfinished: int
    lost_receipts: int
    unrecorded: int
    missing: int
    problem: str


def judge(drill: Drill, log: Path) -> Outcome:
    """Compare what was answered, what the log says, and what the cluster has."""
    checkpoint = verifier.read_checkpoint((log / "checkpoint").read_text())
    begun: set[str] = set()
    leaves: dict[int, str] = {}

    def keep(index: int, record: dict[str, Any]) -> None:
        if record["verb"] == "create" and record["stage"] == "RequestReceived":
            begun.add(record["objectRef"].get("name", ""))

    entries = list(verifier.read_entries(log, checkpoint.size))
    for index, entry in enumerate(entries):
        leaves[index] = base64.b64encode(verifier.leaf_hash(entry)).decode()
    report = verifier.verify(checkpoint, entries, verifier.Trust(), keep)
    exist = drill.place.names("logits-d")
    return Outcome(
        acknowledged=len(drill.acknowledged),
        records=checkpoint.size,
        unfinished=len(report.unmatched),
        lost_receipts=sum(leaves.get(index) != leaf for index, leaf in drill.acknowledged.values()),
        unrecorded=len(exist - begun),
        missing=len(drill.acknowledged.keys() - exist),
        problem=report.problem,
    )


def verifier_speed(log: Path) -> tuple[int, float]:
    """Records, and records a second of processor time of the one-file verifier as its own process, start included."""
    size = verifier.read_checkpoint((log / "checkpoint").read_text()).size
    best = 0.0
    for _ in range(3):
        before = _children_seconds()
        command = [sys.executable, "-I", "-S", verifier.__file__, str(log)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise SystemExit(done.stdout + done.stderr)
        best = max(best, size / (_children_seconds() - before))
    return size, best


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
