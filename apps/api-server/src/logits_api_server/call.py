"""One call: a request from its admission to its end, over however many LLM Servers it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from logits_api_server.callers import Caller
from logits_api_server.demand import DemandLedger, Ticket
from logits_api_server.opening import Opening
from logits_core.keys import Admission
from logits_core.routing import Explanation, Prompt, Reservation, Router, Unavailable, Usage
from logits_core.usage import RowKey, UsageLedger, hour_of
from logits_shell.relay import RequestHead

BYTES_PER_TOKEN = 4
"""Taken for estimates until the engine tells."""


class Asked(msgspec.Struct, frozen=True):
    """What a request asks for.

    Attributes:
        head: Its head.
        opening: What that tells.
        model: Which deployment is asked.
        stream: Whether it wants an event stream.
        size: Bytes of its body.
        prompt: What routing knows of its prompt.
        body: Sent in place of its own body when not None, because it asks for the usage as well.
    """

    head: RequestHead
    opening: Opening
    model: str
    stream: bool = False
    size: int = 0
    prompt: Prompt | None = None
    body: bytes | None = None

    @property
    def estimate(self) -> int:
        """Tokens that its prompt has, by its length."""
        return max(1, self.size // BYTES_PER_TOKEN) if self.opening.operation.takes_tokens else 0


@dataclass(eq=False, slots=True)
class Call:
    """One request under way; `end` or `suspend` must come, and only the first of them counts.

    Attributes:
        asked: What it asks for.
        caller: Who asks.
        started: Clock of its decision, seconds.
        deadline: Clock until which it may wait for a place, seconds.
        tried: Endpoints that failed it.
        not_before: Clock before which those aren't tried again, seconds.
        losses: Times that it has lost its place.
        deaths: Times that the LLM Server which had taken it broke before the first byte.
        targets: The only places where it can be answered, in order, as (model, endpoint); empty: anywhere.
        explained: What the last decision saw, for a caller that wants to know.
    """

    asked: Asked
    caller: Caller
    books: Books
    started: float
    deadline: float
    tried: frozenset[str] = frozenset()
    not_before: float = 0.0
    losses: int = 0
    deaths: int = 0
    targets: tuple[tuple[str, str], ...] = ()
    explained: Explanation | None = None
    _ticket: Ticket | None = None
    _admission: Admission | None = None

    def enter(self) -> None:
        """Be admitted, and count as waiting.

        Raises:
            LogitsError: OVER_LIMIT.
        """
        self._admission = self.caller.admit(self.asked.estimate, self.started)
        self._ticket = self.books.demand.enter(self.asked.model)

    def enter_again(self) -> None:
        """Count as waiting again after a suspension, whatever the limits say by now."""
        meter = self.caller.meter
        self._admission = meter.admit_again(self.asked.estimate, self.books.clock()) if meter is not None else None
        self._ticket = self.books.demand.enter(self.asked.model)

    def placed(self) -> None:
        """Count as in flight."""
        if self._ticket is not None:
            self._ticket.started()

    def suspend(self) -> None:
        """Count no longer, and cost nothing: no LLM Server has done anything for it."""
        self._leave(0)

    def end(self, told: Usage | None, events: int, *, failed: bool, aborted: bool) -> None:
        """Be over, and count as usage.

        Args:
            told: What the engine says that it took.
            events: Pieces of the answer that came, for an estimate of what wasn't told.
            failed: Whether the engine refused or didn't finish it.
            aborted: Whether the client left.
        """
        if self._ticket is None:
            return
        usage, estimated = self._usage(told, events, began=not failed or events > 0)
        self._leave(usage.prompt_tokens + usage.completion_tokens)
        row = RowKey(hour_of(self.books.now()), self.caller.grant.name, self.asked.model)
        self.books.usage.count(row, usage, failed=failed, aborted=aborted, estimated=estimated)

    def _usage(self, told: Usage | None, events: int, *, began: bool) -> tuple[Usage, bool]:
        whole = told is not None and (told.completion_tokens or not events)
        if not self.asked.opening.operation.takes_tokens or (told is None and not began):
            return Usage(0), False
        if told is not None and whole:
            return told, False
        prompt = told.prompt_tokens if told is not None else self.asked.estimate
        return Usage(prompt, told.cached_tokens if told is not None else None, events), True

    def _leave(self, tokens: int) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.ended()
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.settle(tokens, self.books.clock())

    def claim(self, exclude: frozenset[str] = frozenset()) -> Reservation | Unavailable:
        """Try to reserve a place, not at endpoints that have just failed it."""
        now = self.books.clock()
        avoided = exclude | self.tried if now < self.not_before else exclude
        if self.asked.opening.explain:
            self.explained = self.books.router.explain(self.asked.model, self.asked.prompt, now, avoided)
        return self.books.router.reserve(
            self.asked.model, now=now, pick=self.books.pick, exclude=avoided, prompt=self.asked.prompt
        )

    def claim_target(self) -> Reservation | None:
        """Try to reserve at the next of the targets, and let go of those before it."""
        while self.targets:
            (model, endpoint), self.targets = self.targets[0], self.targets[1:]
            others = frozenset(self.books.router.in_flight(model)) - {endpoint}
            found = self.books.router.reserve(model, now=self.books.clock(), pick=self.books.pick, exclude=others)
            if isinstance(found, Reservation):
                return found
        return None


@dataclass(frozen=True, slots=True)
class Books:
    """Where calls are counted, and the clocks by which.

    Attributes:
        router: Reserves.
        demand: What is under way, for scaling.
        usage: What was used, for its owner.
        clock: Monotonic seconds.
        now: Wall clock.
        pick: Given n, returns one of 0..n-1 at random.
    """

    router: Router
    demand: DemandLedger
    usage: UsageLedger
    clock: Callable[[], float]
    now: Callable[[], datetime]
    pick: Callable[[int], int] = field(repr=False)
