"""The waiting room: requests for a model that wakes or is busy, in fair order and within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from logits_core.errors import ErrorCode, LogitsError
from logits_core.routing import Reservation, Router, Unavailable, Verdict
from logits_core.waiting import FairQueue, Full, Pace, Place

Claim = Callable[[], Reservation | Unavailable]
"""Tries to reserve for one request, without waiting."""


class Turn:
    """Somebody who waits: what it claims when its turn comes, and where it gets it."""

    __slots__ = ("claim", "reserved")

    def __init__(self, claim: Claim, reserved: asyncio.Future[Reservation]) -> None:
        self.claim = claim
        self.reserved = reserved


class WaitingRoom:
    """Gives out reservations: keys take turns, first come first served within one.

    Args:
        router: Takes back what nobody wanted any more.
        limit: Requests that may wait, all models together.
        bytes_limit: Bytes that their bodies may have together.
        now: The clock of the router, seconds.
    """

    def __init__(self, router: Router, *, limit: int, bytes_limit: int, now: Callable[[], float]) -> None:
        self._router = router
        self._now = now
        self._queue: FairQueue[Turn] = FairQueue(limit=limit, bytes_limit=bytes_limit)
        self._paces: dict[str, Pace] = {}

    @property
    def count(self) -> int:
        """How many wait."""
        return self._queue.count

    def reserve_now(self, model: str, claim: Claim) -> Reservation | Unavailable:
        """Reserve without waiting, unless others wait for the same model already."""
        if self._queue.first(model) is not None:
            return Unavailable.ALL_BUSY
        found = claim()
        if found is Unavailable.NO_ENDPOINT:
            self._pace(model).asleep(self._now())
        return found

    async def reserve(self, place: Place[Turn], seconds: float) -> Reservation:
        """Wait for a place; cancellation gives up the turn and whatever was already reserved.

        Args:
            place: What is wanted, by whom; its turn is not shared with anybody.
            seconds: Longest wait.

        Raises:
            LogitsError: OVER_LIMIT when the caller's own requests fill the room, NO_CAPACITY when others do or
                the wait took too long.
        """
        displaced = self._queue.join(place)
        if isinstance(displaced, Full):
            raise self._full(place.model, own_share=displaced.own_share)
        for loser in displaced:
            if not loser.item.reserved.done():
                loser.item.reserved.set_exception(self._full(loser.model, own_share=True))
        try:
            async with asyncio.timeout(seconds):
                return await place.item.reserved
        except TimeoutError:
            self._give_back(place.item)
            raise self._too_long(place.model, seconds) from None
        except asyncio.CancelledError:
            self._give_back(place.item)
            raise
        finally:
            self._queue.leave(place)

    def serve(self, model: str) -> None:
        """Hand free places to those who wait for `model`; call when a place or an endpoint came free."""
        while (place := self._queue.first(model)) is not None:
            if not place.item.reserved.done():
                reservation = place.item.claim()
                if not isinstance(reservation, Reservation):
                    if reservation is Unavailable.NO_ENDPOINT:
                        self._pace(model).asleep(self._now())
                    return
                place.item.reserved.set_result(reservation)
                self._pace(model).turn(self._now(), still_waiting=self._queue.length(model) > 1)
            self._queue.leave(place)

    def refuse(self, model: str, error: LogitsError) -> None:
        """Send everybody away who waits for `model`: it won't come."""
        for place in self._queue.waiting_for(model):
            if not place.item.reserved.done():
                place.item.reserved.set_exception(error)

    def forget(self, model: str) -> None:
        """Let go of what was learned of a model that no longer exists."""
        self._paces.pop(model, None)

    def models(self) -> list[str]:
        """Return the models that somebody waits for."""
        return self._queue.models

    def _pace(self, model: str) -> Pace:
        return self._paces.setdefault(model, Pace())

    def _give_back(self, turn: Turn) -> None:
        # The place may have been handed over in the very moment in which its taker gave up.
        if turn.reserved.done() and not turn.reserved.cancelled() and turn.reserved.exception() is None:
            reservation = turn.reserved.result()
            self._router.release(reservation, Verdict.UNKNOWN, now=self._now())
            self.serve(reservation.model)

    def _full(self, model: str, *, own_share: bool) -> LogitsError:
        wait = self._pace(model).retry_after(self._queue.length(model), self._now())
        if own_share:
            return LogitsError(
                ErrorCode.OVER_LIMIT,
                "This key has too many requests waiting, and others wait as well. Send fewer at once.",
                retry_after=wait,
                reason="waiting_limit_exceeded",
            )
        return LogitsError(
            ErrorCode.NO_CAPACITY,
            "Too many requests are waiting already. Send fewer at once, or try again shortly.",
            retry_after=wait,
        )

    def _too_long(self, model: str, seconds: float) -> LogitsError:
        return LogitsError(
            ErrorCode.NO_CAPACITY,
            f"The model {model!r} did not become ready within {seconds:g} s. The Console says what it waits for.",
            field="model",
            retry_after=self._pace(model).retry_after(self._queue.length(model), self._now()),
            reason="model_not_ready",
        )
