"""Routers on four real llama.cpp engines: measured cache hits and first tokens beside the simulator's.

``python -m routing.engines`` from bench/. The demo model serves conversations of several agents; the same requests,
as token numbers, then go through the simulator with a profile measured on one of the engines, and both tables
are printed and written into docs/routing.md. Four engines share this machine, so only the order means anything, and
one run proves little: every router runs with several seeds, and the routers take turns.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from logits_core.simulation.fleet import Setup, Simulation
from logits_core.simulation.outcome import Outcome, Record, Summary, mean
from logits_core.simulation.policy import Answer, Policy, Report, View
from logits_core.simulation.profiles import Profile
from logits_core.simulation.requests import Request
from logits_core.simulation.workloads import Agents
from routing.names import ROUTERS

ROOT = Path(__file__).resolve().parents[2]
ENGINES, SLOTS, CONTEXT = 4, 4, 4096
NAMES = ("random", "least request", "SGLang (command line)", "Logits")
BEGIN = "<!-- engines: written by `make bench-routing-engines` -->"
END = "<!-- end of engines -->"
SEEDS = (5, 6)
FIRST_TOKEN, TOKENS = 300, 500
"""Token numbers that prompts are made of: ordinary ones of the demo model's vocabulary."""


def workload() -> Agents:
    """Return the conversations: three agents with long beginnings, short answers and pauses."""
    return Agents(
        rate=0.5,
        seconds=30.0,
        turns=4.0,
        kinds=3,
        system_tokens=300,
        message_tokens=40.0,
        output_tokens=8.0,
        think_seconds=2.0,
        context_tokens=900,
    )  # fmt: skip


@contextmanager
def engine() -> Generator[str]:
    """Run one llama.cpp server; gives its address."""
    launch: dict[str, Any] = {
        "model": str(ROOT / "models" / "logits-demo" / "logits-demo.gguf"), "alias": "demo", "context": SLOTS * CONTEXT,
        "slots": SLOTS, "threads": 1, "flags": {}, "integers": {}, "texts": {},
    }  # fmt: skip
    command = [sys.executable, "-m", "logits_llm_server.engines.llamacpp_child", json.dumps(launch)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ)
    ) as child:
        for line in child.stdout or ():
            event = json.loads(line)
            if event["event"] == "listening":
                yield str(event["address"])
                break
        if child.stdin is not None:
            child.stdin.close()
        child.wait(20)


def tokens(request: Request) -> list[int]:
    """Return a prompt's token numbers: equal prefixes of requests become equal numbers."""
    found: list[int] = []
    for span in request.spans:
        chance = random.Random(span.chain)
        found += [FIRST_TOKEN + chance.randrange(TOKENS) for _ in range(span.tokens)]
    return found


@dataclass(slots=True)
class Fleet:
    """Real engines behind one router of the simulator."""

    http: httpx.AsyncClient
    addresses: Sequence[str]
    policy: Policy
    work: Agents
    chance: random.Random
    began: float = field(default_factory=time.monotonic)
    records: list[Record] = field(default_factory=list[Record])

    def now(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    async def run(self) -> list[Record]:
        """Serve the whole workload."""
        self.policy.ready(range(len(self.addresses)), 0.0)
        async with asyncio.TaskGroup() as group:
            observer = group.create_task(self.observe())
            async with asyncio.TaskGroup() as users:
                for request in self.work.start(self.chance.random):
                    users.create_task(self.follow(request))
            observer.cancel()
        return self.records

    async def observe(self) -> None:
        """Read every engine's slots once a second."""
        while True:
            for number, address in enumerate(self.addresses):
                slots = (await self.http.get(f"{address}/slots")).json()
                busy = sum(bool(slot["is_processing"]) for slot in slots)
                self.policy.observe(number, Report(busy, 0, busy / SLOTS), self.now())
            await asyncio.sleep(1.0)

    async def follow(self, request: Request) -> None:
        """Ask a request when its time has come, and all that follow on it."""
        while True:
            await asyncio.sleep(max(0.0, request.arrival - self.now()))
            await self.ask(request)
            after = self.work.after(request, self.now(), self.chance.random)
            if not after:
                return
            request = after[0]

    async def ask(self, request: Request) -> None:
        """Ask the engine that the router chooses."""
        arrival, first = self.now(), 0.0
        prompt = tokens(request)
        chosen = self.policy.choose(request, range(len(self.addresses)), arrival) or 0
        self.policy.sent(request, chosen, arrival)
        body = {"prompt": prompt, "n_predict": request.output_tokens, "ignore_eos": True, "stream": True,
                "cache_prompt": True, "temperature": 0.0}  # fmt: skip
        last: dict[str, Any] = {}
        async with self.http.stream("POST", f"{self.addresses[chosen]}/completion", json=body) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    if not first:
                        first = self.now()
                        self.policy.first_token(request, chosen, first)
                    last = json.loads(line[6:])
        cached, end = int(last["timings"]["cache_n"]), self.now()
        self.policy.done(request, chosen, Answer(len(prompt), cached, request.output_tokens), end)
        self.records.append(
            Record(arrival, first, end, len(prompt), cached, request.output_tokens, chosen, 0, failed=False)
        )


async def measured(name: str, profile: Profile, seed: int) -> Summary:
    """Run one router on fresh engines."""
    with engine() as one, engine() as two, engine() as three, engine() as four:
        addresses = (one, two, three, four)
        chance = random.Random(seed)
        policy = ROUTERS[name](View((profile,) * ENGINES, (), chance.random))
        async with httpx.AsyncClient(timeout=120.0, trust_env=False) as http:
            records = await Fleet(http, addresses, policy, workload(), chance).run()
    return Outcome((profile,) * ENGINES, records).summary()


def calibrated() -> Profile:
    """Measure one engine's speed while nothing else asks: a cold prompt, and a long answer."""
    with engine() as address, httpx.Client(timeout=120.0, trust_env=False) as http:
        chance = random.Random(1)
        prompt = [FIRST_TOKEN + chance.randrange(TOKENS) for _ in range(800)]
        times = http.post(f"{address}/completion", json={"prompt": prompt, "n_predict": 32, "ignore_eos": True}).json()[
            "timings"
        ]
    step = times["predicted_per_token_ms"] / 1000
    return Profile(
        name="logits-demo", cache_tokens=SLOTS * CONTEXT, fixed=step / 2, per_request=step / 4, per_context=0.0,
        weights=step / 4, per_prompt_token=times["prompt_per_token_ms"] / 1000, attention=0.0, step_tokens=2048,
        sequences=SLOTS, overhead=0.002,
    )  # fmt: skip


def simulated(name: str, profile: Profile, seed: int) -> Summary:
    """Simulate the same."""
    setup = Setup((profile,) * ENGINES, ROUTERS[name])
    return Simulation(setup, workload(), random.Random(seed).random).run().summary()


def row(name: str, real: Sequence[Summary], model: Sequence[Summary]) -> str:
    """Return one router's line of the table: means over the seeds, and between which values they lie."""

    def spread(values: Sequence[float], form: str) -> str:
        return f"{mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"

    cells = (
        name,
        spread([each.hit_share for each in real], ".1%"),
        f"{mean(each.hit_share for each in model):.1%}",
        spread([1000 * each.first_mean for each in real], ".0f"),
        f"{1000 * mean(each.first_mean for each in model):.0f}",
        f"{1000 * mean(each.first_p90 for each in real):.0f}",
        f"{1000 * mean(each.first_p90 for each in model):.0f}",
        str(sum(each.requests for each in real)),
    )
    return "| " + " | ".join(cells) + " |"


def main() -> int:
    """Measure, simulate and write."""
    profile = calibrated()
    print(f"{profile.per_prompt_token * 1e6:.0f} us a prompt token, {profile.fixed * 2e3:.1f} ms a step", flush=True)
    real: dict[str, list[Summary]] = {name: [] for name in NAMES}
    for seed in SEEDS:
        for name in NAMES:
            real[name].append(asyncio.run(measured(name, profile, seed)))
    rows = [row(name, real[name], [simulated(name, profile, seed) for seed in SEEDS]) for name in NAMES]
    print("\n".join(rows))
    page = ROOT / "docs" / "routing.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    head = "| router | hits, measured | simulated | first token, mean ms, measured | simulated | p90 ms, measured "
    head += "| simulated | requests |\n" + "|---" * 8 + "|"
    after = rest.partition(END)[2]
    page.write_text("\n".join([before + BEGIN, "", head, *rows, "", END]) + after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
