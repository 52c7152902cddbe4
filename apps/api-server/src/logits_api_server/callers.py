"""Callers: who sends a request, by its key, and whether its limits let it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from logits_core.entities.model import Entity
from logits_core.errors import ErrorCode, LogitsError
from logits_core.keys import Admission, ApiKeySpec, Grant, KeyRing, Meter, RateState, bearer
from logits_core.keys.limits import Refused

_LIMITS = {
    "requests": "This key may send {limit} requests per minute.",
    "tokens": "This key may use {limit} tokens per minute.",
    "concurrency": "This key may have {limit} requests under way at once.",
}


@dataclass(frozen=True)
class Caller:
    """One caller.

    Attributes:
        grant: What it may do.
        meter: The state of its limits, None without any.
    """

    grant: Grant
    meter: Meter | None = None

    def admit(self, estimate: int, now: float) -> Admission | None:
        """Let a request in; None when nothing is limited.

        Raises:
            LogitsError: OVER_LIMIT, saying which limit and when to come back.
        """
        if self.meter is None:
            return None
        found = self.meter.admit(estimate, now)
        if isinstance(found, Admission):
            return found
        raise _over_limit(self.meter, found)

    def lines(self, now: float) -> bytes:
        """Return the lines of `x-ratelimit-*` as things stand; nothing where there is no limit."""
        meter = self.meter
        if meter is None:
            return b""
        requests, tokens = meter.requests(now), meter.tokens(now)
        if requests is None:
            return b"" if tokens is None else TOKENS % _shown(tokens)
        return REQUESTS % _shown(requests) if tokens is None else BOTH % (*_shown(requests), *_shown(tokens))


@dataclass(frozen=True)
class Identity:
    """Who somebody was found to be.

    Attributes:
        caller: Who.
        ring: The keys by which it was found.
        until: Wall clock from which it must be found out anew; None: as long as the keys are the same.
    """

    caller: Caller
    ring: KeyRing
    until: datetime | None = None


class Callers:
    """Keeps the key ring in step with the keys' entities, and one meter per key with limits.

    Args:
        keys: Live view of the ApiKey entities by name.
        known: Says whether the first list has arrived.
        required: Whether a key is required.
        shares: Processes that divide the limits.
        now: Wall clock.
        clock: Monotonic seconds.
        unreadable: Told the name of an entity that isn't understood; its key is refused.
    """

    def __init__(
        self,
        keys: Mapping[str, Entity],
        known: Callable[[], bool],
        *,
        required: bool,
        shares: int,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        unreadable: Callable[[str], None],
    ) -> None:
        self._keys = keys
        self._known = known
        self._required = required
        self._shares = shares
        self._now = now
        self._clock = clock
        self._unreadable = unreadable
        self._ring = KeyRing({}, required=required)
        self._meters: dict[str, Meter] = {}
        self._callers: dict[str, Caller] = {}

    def refresh(self) -> None:
        """Take in what the entities say now; limits that stay keep their state."""
        specs: dict[str, ApiKeySpec] = {}
        for name, entity in self._keys.items():
            try:
                specs[name] = ApiKeySpec.model_validate(entity.spec, by_alias=True)
            except ValidationError:
                self._unreadable(name)
        self._ring = KeyRing(specs, required=self._required, shares=self._shares)
        now = self._clock()
        for name in self._meters.keys() - self._ring.grants.keys():
            del self._meters[name]
        for name, grant in self._ring.grants.items():
            meter = self._meters.get(name)
            if meter is not None:
                meter.change(grant.limits, now)
            elif not grant.limits.none:
                self._meters[name] = Meter(grant.limits, now)
        self._callers = {name: Caller(grant, self._meters.get(name)) for name, grant in self._ring.grants.items()}

    def identify(self, authorization: bytes | None, x_api_key: bytes | None) -> Caller:
        """Return who calls.

        Args:
            authorization: The field of that name.
            x_api_key: The field of that name, as Anthropic's clients send it.

        Raises:
            LogitsError: UNAUTHENTICATED, or UNAVAILABLE while the keys aren't known yet.
        """
        return self.recognise(authorization, x_api_key).caller

    def recognise(self, authorization: bytes | None, x_api_key: bytes | None) -> Identity:
        """Return who calls, and how long that holds; see `identify`."""
        if authorization is None and x_api_key is None and not self._required:
            return Identity(OPEN, self._ring)
        if not self._known():
            raise LogitsError(
                ErrorCode.UNAVAILABLE, "The API Server is starting and doesn't know the keys yet.", retry_after=1
            )
        shown = bearer((authorization or b"").decode("latin-1"), (x_api_key or b"").decode("latin-1"))
        grant, until = self._ring.recognise(shown, self._now())
        return Identity(self._callers.get(grant.name) or Caller(grant), self._ring, until)

    def holds(self, identity: Identity) -> bool:
        """Say whether somebody is still who they were found to be."""
        return identity.ring is self._ring and (identity.until is None or self._now() < identity.until)


OPEN = Caller(Grant())
"""Anybody, where no key is required."""


def _over_limit(meter: Meter, refused: Refused) -> LogitsError:
    limits = meter.limits
    number = {
        "requests": limits.requests_per_minute,
        "tokens": limits.tokens_per_minute,
        "concurrency": limits.concurrency,
    }[refused.limit]
    return LogitsError(
        ErrorCode.OVER_LIMIT,
        f"{_LIMITS[refused.limit].format(limit=number)} Try again in {max(1, round(refused.retry_after))} s.",
        retry_after=refused.retry_after,
        reason="concurrency_limit_exceeded" if refused.limit == "concurrency" else None,
    )


def _lines(what: bytes) -> bytes:
    lines = b"x-ratelimit-limit-%b: %%d\r\nx-ratelimit-remaining-%b: %%d\r\nx-ratelimit-reset-%b: %%dms\r\n"
    return lines % (what, what, what)


REQUESTS: Final = _lines(b"requests")
TOKENS: Final = _lines(b"tokens")
BOTH: Final = REQUESTS + TOKENS


def _shown(state: RateState) -> tuple[int, int, int]:
    return state.limit, state.remaining, round(state.reset * 1000)
