"""Limits of one key: token buckets for requests and tokens, and a count of what is under way.

Pure: the clock is an argument. A bucket holds one minute's worth and fills continuously. Tokens are only known
afterwards, so a request is let in against an estimate and settled at its end; a bucket may then owe, and
nothing is let in until the debt is paid off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

MINUTE = 60.0
CLOSE = 1e-9
"""Seconds by which sums of times may miss what they stand for."""
CONCURRENCY_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Limits:
    """What a key may do; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None

    def divided(self, by: int) -> Limits:
        """Return the share of one of `by` processes that don't talk to each other; at least 1 of each."""
        if by == 1:
            return self
        return Limits(
            _divided(self.requests_per_minute, by),
            _divided(self.tokens_per_minute, by),
            _divided(self.concurrency, by),
        )

    @property
    def none(self) -> bool:
        """Whether nothing is limited."""
        return self == Limits()


def _divided(limit: int | None, by: int) -> int | None:
    return None if limit is None else -(-limit // by)


class Bucket:
    """Holds up to `per_minute` and fills at that rate; what is known of it is the time at which it will be full.

    Nothing has to be refilled so: to take out is to put that time off.

    Args:
        per_minute: Size and rate.
        now: The clock, seconds.
    """

    __slots__ = ("_each", "_full_at", "per_minute")

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._each = MINUTE / per_minute
        self._full_at = now

    def owed(self, now: float) -> float:
        """Return the seconds until it's full."""
        full_at = self._full_at
        return full_at - now if full_at > now else 0.0

    def take(self, amount: float, now: float) -> None:
        """Take out `amount`, or put back a negative one; more than is there makes a debt."""
        full_at = self._full_at
        self._full_at = (full_at if full_at > now else now) + amount * self._each

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` (a whole bucket at most) is there, 0 when it is."""
        needed = amount * self._each
        missing = self.owed(now) + (needed if needed < MINUTE else MINUTE)
        return missing - MINUTE if missing > MINUTE + CLOSE else 0.0

    def state(self, now: float) -> RateState:
        """Return how it stands."""
        owed = self.owed(now)
        level = (MINUTE + CLOSE - owed) / self._each
        return RateState(self.per_minute, int(level) if level > 0 else 0, owed)


class RateState(NamedTuple):
    """How one limit stands, for `x-ratelimit-*`.

    Attributes:
        limit: Per minute.
        remaining: Now.
        reset: Seconds until it's whole again.
    """

    limit: int
    remaining: int
    reset: float


@dataclass(frozen=True)
class Refused:
    """A request that isn't let in.

    Attributes:
        limit: Which limit: "requests", "tokens" or "concurrency".
        retry_after: Seconds after which it would be let in, as things stand.
    """

    limit: str
    retry_after: float


class Admission:
    """A request that was let in; settle it once.

    Args:
        meter: That let it in.
        estimate: Tokens taken for it so far.
    """

    __slots__ = ("_estimate", "_meter", "_settled")

    def __init__(self, meter: Meter, estimate: int) -> None:
        self._meter = meter
        self._estimate = estimate
        self._settled = False

    def settle(self, tokens: int, now: float) -> None:
        """Put what it really took in place of the estimate; only the first call counts.

        Args:
            tokens: Of prompt and answer together.
            now: The clock, seconds.
        """
        if not self._settled:
            self._settled = True
            self._meter.settled(tokens - self._estimate, now)


class Meter:
    """The state of one key's limits.

    Args:
        limits: What holds from now on.
        now: The clock, seconds.
    """

    __slots__ = ("_requests", "_tokens", "in_flight", "limits")

    def __init__(self, limits: Limits, now: float) -> None:
        self.limits = limits
        self.in_flight = 0
        self._requests = _bucket(limits.requests_per_minute, None, now)
        self._tokens = _bucket(limits.tokens_per_minute, None, now)

    def change(self, limits: Limits, now: float) -> None:
        """Let other limits hold from now on; what was taken out stays taken."""
        self.limits = limits
        self._requests = _bucket(limits.requests_per_minute, self._requests, now)
        self._tokens = _bucket(limits.tokens_per_minute, self._tokens, now)

    def admit(self, estimate: int, now: float) -> Admission | Refused:
        """Let a request in, or say which limit forbids it; a refusal takes nothing.

        Args:
            estimate: Tokens that it will take at least.
            now: The clock, seconds.
        """
        requests, tokens, most = self._requests, self._tokens, self.limits.concurrency
        if most is not None and self.in_flight >= most:
            return Refused("concurrency", CONCURRENCY_RETRY_SECONDS)
        if requests is not None and (wait := requests.wait(1, now)) > 0:
            return Refused("requests", wait)
        if tokens is not None and (wait := tokens.wait(estimate, now)) > 0:
            return Refused("tokens", wait)
        if requests is not None:
            requests.take(1, now)
        if tokens is not None:
            tokens.take(estimate, now)
        self.in_flight += 1
        return Admission(self, estimate)

    def admit_again(self, estimate: int, now: float) -> Admission:
        """Let a request in that was let in before and lost its place through no fault of its own."""
        if self._tokens is not None:
            self._tokens.take(estimate, now)
        self.in_flight += 1
        return Admission(self, estimate)

    def settled(self, more: int, now: float) -> None:
        """Take `more` tokens than estimated (fewer if negative), and one request less is under way."""
        self.in_flight -= 1
        if self._tokens is not None:
            self._tokens.take(more, now)

    def requests(self, now: float) -> RateState | None:
        """Return how the limit of requests stands, None without one."""
        return None if self._requests is None else self._requests.state(now)

    def tokens(self, now: float) -> RateState | None:
        """Return how the limit of tokens stands, None without one."""
        return None if self._tokens is None else self._tokens.state(now)


def _bucket(per_minute: int | None, old: Bucket | None, now: float) -> Bucket | None:
    if per_minute is None:
        return None
    if old is not None and old.per_minute == per_minute:
        return old
    fresh = Bucket(per_minute, now)
    if old is not None:
        fresh.take(old.owed(now) * old.per_minute / MINUTE, now)
    return fresh
