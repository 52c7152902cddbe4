"""The simulation itself: requests, router replicas and engines over one clock, event by event."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Protocol

from logits_core.simulation.engine import Engine
from logits_core.simulation.engine import Sequence as Work
from logits_core.simulation.outcome import Outcome, Record
from logits_core.simulation.policy import Answer, Chance, Policy, Report, Router, View
from logits_core.simulation.profiles import Profile
from logits_core.simulation.requests import Request


class Workload(Protocol):
    """What users do."""

    def start(self, chance: Chance) -> list[Request]:
        """Return the first requests, in any order."""
        ...

    def after(self, request: Request, now: float, chance: Chance) -> list[Request]:
        """Return the requests that follow on the end of one, such as a conversation's next turn."""
        ...


@dataclass(frozen=True, slots=True)
class Failure:
    """An engine that breaks down and comes back empty.

    Attributes:
        engine: Its number.
        at: When, seconds.
        seconds: For how long it is away.
        noticed: Seconds until it is taken out of the routers' lists; None when nothing notices, as with an
            engine that restarts in place.
        told: Whether routers are told that it has restarted.
    """

    engine: int
    at: float
    seconds: float
    noticed: float | None = None
    told: bool = True


@dataclass(frozen=True, slots=True)
class Setup:
    """What is simulated.

    Attributes:
        engines: One profile for each engine.
        router: Makes a router replica.
        routers: Replicas; requests reach them at random.
        scrape_seconds: Pause between two readings of an engine's metrics, for each router by itself.
        stale_seconds: Age of the metrics when they arrive.
        network_seconds: One way between router and engine.
        failures: What breaks.
        starting: When each engine begins to start; all are ready at 0 when empty.
        attempts: Engines tried before a request fails.
        until: No event later than this happens, seconds; None for all.
    """

    engines: tuple[Profile, ...]
    router: Router
    routers: int = 1
    scrape_seconds: float = 1.0
    stale_seconds: float = 0.0
    network_seconds: float = 0.0005
    failures: tuple[Failure, ...] = ()
    starting: tuple[float, ...] = ()
    attempts: int = 3
    until: float | None = None


@dataclass(slots=True)
class _Ticket:
    number: int
    request: Request
    policy: Policy
    router: int
    engine: int = -1
    work: Work | None = None
    first: float = 0.0
    tried: set[int] = field(default_factory=set[int])


class Simulation:
    """One run.

    Args:
        setup: What is simulated.
        workload: What users do.
        chance: The run's randomness; equal sequences give equal runs.
    """

    def __init__(self, setup: Setup, workload: Workload, chance: Chance) -> None:
        self._setup = setup
        self._workload = workload
        self._chance = chance
        self._now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], Any]] = []
        self._count = 0
        self.engines = [Engine(profile) for profile in setup.engines]
        self._ends: list[float | None] = [None] * len(self.engines)
        self._up = [True] * len(self.engines)
        self._listed = [not setup.starting] * len(self.engines)
        self._ready = list(range(len(self.engines))) if not setup.starting else []
        self._policies = [
            setup.router(View(setup.engines, self.engines, chance, number)) for number in range(setup.routers)
        ]
        self._held: list[deque[_Ticket]] = [deque() for _ in self._policies]
        self._open = 0
        self._tickets = 0
        self._outcome = Outcome(setup.engines)

    def run(self) -> Outcome:
        """Run to the end."""
        for policy in self._policies:
            policy.ready(self._ready, 0.0)
        for request in self._workload.start(self._chance):
            self._expect(request)
        for engine, at in enumerate(self._setup.starting):
            self._at(at + self._setup.engines[engine].start, self._list, (engine, True))
        for failure in self._setup.failures:
            self._at(failure.at, self._break, failure)
        for number in range(len(self._policies)):
            self._at(self._chance() * self._setup.scrape_seconds, self._scrape, number)
        until = self._setup.until
        while self._events and self._open:
            self._now, _, act, what = heappop(self._events)
            if until is not None and self._now > until:
                break
            act(what)
        self._outcome.close(self._now, self.engines)
        return self._outcome

    def _at(self, when: float, act: Callable[..., None], what: object) -> None:
        self._count += 1
        heappush(self._events, (when, self._count, act, what))

    # -- requests ----------------------------------------------------------------------------------------------

    def _expect(self, request: Request) -> None:
        self._open += 1
        self._at(request.arrival, self._arrive, request)

    def _arrive(self, request: Request) -> None:
        router = int(self._chance() * len(self._policies)) if len(self._policies) > 1 else 0
        self._tickets += 1
        self._route(_Ticket(self._tickets, request, self._policies[router], router))

    def _route(self, ticket: _Ticket) -> None:
        ready = [engine for engine in self._ready if engine not in ticket.tried] if ticket.tried else self._ready
        chosen = ticket.policy.choose(ticket.request, ready, self._now) if ready else None
        if chosen is None:
            if ticket.tried:
                self._end(ticket, failed=True)
            else:
                self._held[ticket.router].append(ticket)
            return
        ticket.engine = chosen
        ticket.policy.sent(ticket.request, chosen, self._now)
        self._at(self._now + self._setup.network_seconds, self._deliver, ticket)

    def _deliver(self, ticket: _Ticket) -> None:
        engine = self.engines[ticket.engine]
        ticket.work = Work(ticket.request, ticket.number, ticket)
        if not self._up[ticket.engine] or not engine.submit(ticket.work, self._now):
            self._lose(ticket)
            return
        self._follow(ticket.engine)

    def _follow(self, number: int) -> None:
        end = self.engines[number].end
        if end is not None and end != self._ends[number]:
            self._at(end, self._step, number)
        self._ends[number] = end

    def _step(self, number: int) -> None:
        if self._ends[number] != self._now:
            return
        first, done = self.engines[number].finish()
        back = self._setup.network_seconds
        overhead = self._setup.engines[number].overhead
        for work in first:
            work.caller.first = self._now + back + overhead
            self._at(work.caller.first, self._first, work.caller)
        for work in done:
            self._at(max(self._now + back, work.caller.first), self._done, work.caller)
        self._ends[number] = None
        self._follow(number)

    def _first(self, ticket: _Ticket) -> None:
        if ticket.work is not None:
            ticket.policy.first_token(ticket.request, ticket.engine, self._now)

    def _done(self, ticket: _Ticket) -> None:
        request = ticket.request
        cached = max(0, ticket.work.cached) if ticket.work else 0
        answer = Answer(request.prompt_tokens, cached, request.output_tokens)
        ticket.policy.done(request, ticket.engine, answer, self._now)
        self._end(ticket)

    def _end(self, ticket: _Ticket, failed: bool = False) -> None:
        request, work = ticket.request, ticket.work
        cached = max(0, work.cached) if work else 0
        self._outcome.records.append(
            Record(
                request.arrival, ticket.first, self._now, request.prompt_tokens, cached,
                request.output_tokens, ticket.engine, request.stage, failed,
            )
        )  # fmt: skip
        self._open -= 1
        for follower in self._workload.after(request, self._now, self._chance):
            self._expect(follower)
        self._serve(ticket.router)

    def _serve(self, router: int) -> None:
        held = self._held[router]
        for _ in range(len(held)):
            ticket = held.popleft()
            before = len(held)
            self._route(ticket)
            if len(held) > before:
                held.appendleft(held.pop())
                return

    # -- what engines and networks do --------------------------------------------------------------------------

    def _scrape(self, router: int) -> None:
        reports = [Report(*engine.figures) for engine in self.engines]
        listed = tuple(self._ready)
        if self._setup.stale_seconds:
            self._at(self._now + self._setup.stale_seconds, self._observe, (router, listed, reports))
        else:
            self._observe((router, listed, reports))
        self._at(self._now + self._setup.scrape_seconds, self._scrape, router)

    def _observe(self, what: tuple[int, Sequence[int], list[Report]]) -> None:
        router, listed, reports = what
        for engine in listed:
            self._policies[router].observe(engine, reports[engine], self._now)

    def _list(self, what: tuple[int, bool]) -> None:
        engine, ready = what
        self._listed[engine] = ready
        self._ready = [number for number, listed in enumerate(self._listed) if listed]
        for number, policy in enumerate(self._policies):
            policy.ready(self._ready, self._now)
            if ready:
                self._serve(number)

    def _break(self, failure: Failure) -> None:
        lost = self.engines[failure.engine].fail()
        self._ends[failure.engine] = None
        self._up[failure.engine] = False
        for work in lost:
            self._at(self._now + self._setup.network_seconds, self._lose, work.caller)
        if failure.noticed is not None:
            self._at(self._now + failure.noticed, self._list, (failure.engine, False))
        self._at(self._now + failure.seconds, self._mend, failure)

    def _mend(self, failure: Failure) -> None:
        self._up[failure.engine] = True
        if failure.noticed is not None:
            self._list((failure.engine, True))
        if failure.told:
            for policy in self._policies:
                policy.restarted(failure.engine, self._now)

    def _lose(self, ticket: _Ticket) -> None:
        ticket.policy.failed(ticket.request, ticket.engine, self._now)
        ticket.tried.add(ticket.engine)
        started = ticket.work is not None and ticket.work.started
        if started or len(ticket.tried) >= self._setup.attempts:
            self._end(ticket, failed=True)
        else:
            ticket.work = None
            self._route(ticket)
