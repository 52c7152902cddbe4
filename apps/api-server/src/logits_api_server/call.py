"""One call: a request from its admission to its end, over however many LLM Servers it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from logits_api_server.demand import DemandLedger, Row
from logits_api_server.opening import Opening
from logits_core.keys import Admission
from logits_core.routing import Explanation, Prompt, Reservation, Router, Unavailable, Usage
from logits_core.usage import RowKey, UsageLedger, hour_of
from logits_shell.relay import RequestHead

BYTES_PER_TOKEN: Final = 4
"""Taken for estimates until the engine tells."""

NOBODY: Final[frozenset[str]] = frozenset()
NOTHING: Final = Usage(0)

OUT: Final = 0
ADMITTED: Final = 1
WAITING: Final = 2
IN_FLIGHT: Final = 3
"""What a call counts as."""


class Call:
    """One request under way; `end` or `suspend` must come once it has entered, and only the first of them counts.

    Args:
        books: Where it's counted.
        head: Of the request.
        opening: What that tells.
        model: Which deployment is asked.
        seconds: How long it may wait for a place.
        size: Bytes of its body.
        prompt: What routing knows of its prompt.
        body: Sent in place of its own body when not None, because it asks for the usage as well.

    Attributes:
        started: Clock of its decision, seconds.
        deadline: Clock until which it may wait for a place, seconds.
        tried: Endpoints that failed it.
        not_before: Clock before which those aren't tried again, seconds.
        losses: Times that it has lost its place.
        deaths: Times that the LLM Server which had taken it broke before the first byte.
        targets: The only places where it can be answered, in order, as (model, endpoint); empty: anywhere.
        explained: What the last decision saw, for a caller that wants to know.
    """

    __slots__ = (
        "_admission", "_estimate", "_row", "_stage", "_takes_tokens", "body", "books", "caller", "deadline", "deaths",
        "explained", "head", "losses", "model", "not_before", "opening", "prompt", "size", "started", "targets",
        "tried",
    )  # fmt: skip

    def __init__(
        self,
        books: Books,
        head: RequestHead,
        opening: Opening,
        model: str,
        *,
        seconds: float,
        size: int = 0,
        prompt: Prompt | None = None,
        body: bytes | None = None,
    ) -> None:
        self.books = books
        self.head = head
        self.opening = opening
        self.model = model
        self.caller = opening.identity.caller
        self.size = size
        self.prompt = prompt
        self.body = body
        self.started = now = books.clock()
        self.deadline = now + seconds
        self.tried: frozenset[str] = frozenset()
        self.not_before = 0.0
        self.losses = 0
        self.deaths = 0
        self.targets: tuple[tuple[str, str], ...] = ()
        self.explained: Explanation | None = None
        self._takes_tokens = opening.operation.takes_tokens
        # By its length, until the engine tells.
        self._estimate = (size // BYTES_PER_TOKEN or 1) if self._takes_tokens else 0
        self._admission: Admission | None = None
        self._row: Row | None = None
        self._stage = OUT

    def enter(self) -> None:
        """Be admitted.

        Raises:
            LogitsError: OVER_LIMIT.
        """
        self._admission = self.caller.admit(self._estimate, self.started)
        self._row = self.books.demand.row(self.model)
        self._stage = ADMITTED

    def enter_again(self) -> None:
        """Be admitted again after a suspension, whatever the limits say by now, and count as waiting."""
        meter = self.caller.meter
        self._admission = meter.admit_again(self._estimate, self.books.clock()) if meter is not None else None
        self._row = row = self.books.demand.row(self.model)
        self._stage = WAITING
        row.waiting += 1
        self.books.demand.changed()

    def placed(self) -> None:
        """Count as in flight; another place after a lost one changes nothing."""
        row, stage = self._row, self._stage
        if row is None or stage == IN_FLIGHT:
            return
        row.waiting -= stage == WAITING
        row.in_flight += 1
        self._stage = IN_FLIGHT
        self.books.demand.changed()

    def suspend(self) -> None:
        """Count no longer, and cost nothing: no LLM Server has done anything for it."""
        self._leave(0, self.books.clock())

    def end(self, told: Usage | None, events: int, *, failed: bool, aborted: bool) -> None:
        """Be over, and count as usage.

        Args:
            told: What the engine says that it took.
            events: Pieces of the answer that came, for an estimate of what wasn't told.
            failed: Whether the engine refused or didn't finish it.
            aborted: Whether the client left.
        """
        if self._row is None:
            return
        usage, books = told, self.books
        whole = told is not None and (told.completion_tokens > 0 or not events)
        estimated = not whole and self._takes_tokens and (told is not None or not failed or events > 0)
        if estimated:
            prompt = self._estimate if told is None else told.prompt_tokens
            usage = Usage(prompt, None if told is None else told.cached_tokens, events)
        elif usage is None or not self._takes_tokens:
            usage = NOTHING
        self._leave(usage.prompt_tokens + usage.completion_tokens, books.clock())
        row = RowKey(hour_of(books.now()), self.caller.grant.name, self.model)
        books.usage.count(row, usage, failed=failed, aborted=aborted, estimated=estimated)

    def _leave(self, tokens: int, now: float) -> None:
        row, self._row = self._row, None
        if row is not None:
            row.waiting -= self._stage == WAITING
            row.in_flight -= self._stage == IN_FLIGHT
            self._stage = OUT
            self.books.demand.changed()
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.settle(tokens, now)

    def claim(self, exclude: frozenset[str] = NOBODY) -> Reservation | Unavailable:
        """Try to reserve a place, not at endpoints that have just failed it."""
        return self._claim(self.books.clock(), exclude)

    def claim_now(self) -> Reservation | Unavailable:
        """Try to reserve a place in the moment in which it began."""
        return self._claim(self.started, NOBODY)

    def _claim(self, now: float, exclude: frozenset[str]) -> Reservation | Unavailable:
        books = self.books
        if self.tried and now < self.not_before:
            exclude |= self.tried
        if self.opening.explain:
            self.explained = books.router.explain(self.model, self.prompt, now, exclude)
        return books.router.reserve(self.model, now=now, pick=books.pick, exclude=exclude, prompt=self.prompt)

    def claim_target(self) -> Reservation | None:
        """Try to reserve at the next of the targets, and let go of those before it."""
        while self.targets:
            (model, endpoint), self.targets = self.targets[0], self.targets[1:]
            others = frozenset(self.books.router.in_flight(model)) - {endpoint}
            found = self.books.router.reserve(model, now=self.books.clock(), pick=self.books.pick, exclude=others)
            if isinstance(found, Reservation):
                return found
        return None


@dataclass(frozen=True)
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
