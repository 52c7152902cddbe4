"""The waiting room: requests for a model that wakes or is busy, in order and within bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Set
from dataclasses import dataclass

from logits_core.errors import ErrorCode, LogitsError
from logits_core.routing import Reservation, Router, Unavailable, Verdict

FULL_RETRY_SECONDS = 2
WAKING_RETRY_SECONDS = 10


@dataclass(eq=False, slots=True)
class _Waiter:
    place: asyncio.Future[Reservation]
    size: int


class WaitingRoom:
    """Gives out reservations, first come first served per model.

    Args:
        router: Reserves.
        limit: Requests that may wait, all models together.
        bytes_limit: Bytes that their bodies may have together.
        seconds: Longest wait of one request.
        now: The clock of the router, seconds.
        pick: The router's randomness.
    """

    def __init__(
        self,
        router: Router,
        *,
        limit: int,
        bytes_limit: int,
        seconds: float,
        now: Callable[[], float],
        pick: Callable[[int], int],
    ) -> None:
        self._router = router
        self._limit = limit
        self._bytes_limit = bytes_limit
        self._seconds = seconds
        self._now = now
        self._pick = pick
        self._queues: dict[str, deque[_Waiter]] = {}
        self.count = 0
        self._bytes = 0

    def reserve_now(self, model: str, exclude: Set[str] = frozenset()) -> Reservation | Unavailable:
        """Reserve without waiting; those who wait for the same model come first unless this is a retry."""
        if model in self._queues and not exclude:
            return Unavailable.ALL_BUSY
        return self._router.reserve(model, now=self._now(), pick=self._pick, exclude=exclude)

    async def reserve(self, model: str, size: int) -> Reservation:
        """Wait for a place; cancellation gives up the turn and whatever was already reserved.

        Args:
            model: The deployment's name.
            size: Bytes of the request's body.

        Raises:
            LogitsError: NO_CAPACITY when too many wait already or the wait took too long.
        """
        if self.count >= self._limit or self._bytes + size > self._bytes_limit:
            raise _full()
        waiter = _Waiter(asyncio.get_running_loop().create_future(), size)
        self._queues.setdefault(model, deque()).append(waiter)
        self.count += 1
        self._bytes += size
        try:
            async with asyncio.timeout(self._seconds):
                return await waiter.place
        except TimeoutError:
            self._give_back(waiter)
            raise _too_long(model, self._seconds) from None
        except asyncio.CancelledError:
            self._give_back(waiter)
            raise
        finally:
            self._leave(model, waiter)

    def serve(self, model: str) -> None:
        """Hand free places to those who wait for `model`; call when a place or an endpoint came free."""
        queue = self._queues.get(model)
        while queue:
            if queue[0].place.done():
                queue.popleft()
                continue
            reservation = self._router.reserve(model, now=self._now(), pick=self._pick)
            if not isinstance(reservation, Reservation):
                return
            queue.popleft().place.set_result(reservation)

    def refuse(self, model: str, error: LogitsError) -> None:
        """Send everybody away who waits for `model`: it won't come."""
        for waiter in self._queues.get(model, ()):
            if not waiter.place.done():
                waiter.place.set_exception(error)

    def models(self) -> list[str]:
        """Return the models that somebody waits for."""
        return list(self._queues)

    def _give_back(self, waiter: _Waiter) -> None:
        # The place may have been handed over in the very moment in which its taker gave up.
        if waiter.place.done() and not waiter.place.cancelled() and waiter.place.exception() is None:
            reservation = waiter.place.result()
            self._router.release(reservation, Verdict.UNKNOWN, now=self._now())
            self.serve(reservation.model)

    def _leave(self, model: str, waiter: _Waiter) -> None:
        self.count -= 1
        self._bytes -= waiter.size
        queue = self._queues.get(model)
        if queue is None:
            return
        if waiter in queue:
            queue.remove(waiter)
        if not queue:
            del self._queues[model]


def _full() -> LogitsError:
    return LogitsError(
        ErrorCode.NO_CAPACITY,
        "Too many requests are waiting already. Send fewer at once, or try again shortly.",
        retry_after=FULL_RETRY_SECONDS,
    )


def _too_long(model: str, seconds: float) -> LogitsError:
    return LogitsError(
        ErrorCode.NO_CAPACITY,
        f"The model {model!r} did not become ready within {seconds:g} s. The Console says what it waits for.",
        field="model",
        retry_after=WAKING_RETRY_SECONDS,
        reason="model_not_ready",
    )
