"""Progress: which releases a Gateway has accepted, which one last worked, and the counter rule."""

from __future__ import annotations

from dataclasses import dataclass, replace

from logits_core.errors import ErrorCode, LogitsError
from logits_core.rollout.agreement import Accepted


@dataclass(frozen=True, slots=True)
class Progress:
    """What a Gateway remembers across restarts.

    Attributes:
        accepted: the newest release that was ever accepted; its counter is the floor for all others.
        good: the last one whose Controller became ready.
        failed: counter of the accepted release if its Controller didn't become ready in time, else 0.
        since: when the accepted release began to roll out, in seconds since the epoch.
        floor: the highest counter ever accepted; it stays when the customer pins another root.
    """

    accepted: Accepted | None = None
    good: Accepted | None = None
    failed: int = 0
    since: float = 0.0
    floor: int = 0

    @property
    def target(self) -> Accepted | None:
        """The release whose Controller should run: the accepted one, or the good one when it failed."""
        rolled_back = self.accepted is not None and self.accepted.release.counter == self.failed
        return self.good if rolled_back and self.good else self.accepted

    @property
    def in_force(self) -> tuple[Accepted, ...]:
        """The releases whose images components may run: the target, and the good one until it works.

        While a new Controller starts, its predecessor's components still run; once it works, or
        was given up, only one release is left.
        """
        target, good = self.target, self.good
        if target is None or good is None or good == target:
            return (target,) if target else ()
        return (target, good)


def accept(progress: Progress, offer: Accepted, *, now: float) -> Progress:
    """Take over an offered release, or refuse it.

    Args:
        progress: what is remembered.
        offer: a release that both sides agreed on and the customer lets in.
        now: seconds since the epoch.

    Returns:
        The progress with the offer accepted; the same when it already was.

    Raises:
        LogitsError: CONFLICT when its counter is lower than, or its content differs from, what was
            accepted before: an old release is never run again on the vendor's word.
    """
    check_counter(progress, offer)
    if progress.accepted == offer:
        return progress
    return replace(progress, accepted=offer, failed=0, since=now, floor=offer.release.counter)


def check_counter(progress: Progress, offer: Accepted) -> None:
    """Refuse what would go back.

    Raises:
        LogitsError: CONFLICT, as ``accept``.
    """
    newest, counter = progress.accepted, offer.release.counter
    if counter < progress.floor:
        raise LogitsError(
            ErrorCode.CONFLICT,
            "the release counter is lower than one accepted before; publish a release with a higher one",
            field="counter",
        )
    if newest is not None and counter == progress.floor and offer != newest:
        raise LogitsError(
            ErrorCode.CONFLICT,
            "another release with the same counter was accepted before; publish one with a higher counter",
            field="counter",
        )
