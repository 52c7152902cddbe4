"""Offers: what the vendor wants to run here is verified, remembered, and begun when the customer lets it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from logits_core.errors import LogitsError
from logits_core.redaction import Count, Identifier, Version
from logits_core.rollout import (
    Accepted,
    Controls,
    Hold,
    Offer,
    Pending,
    Pins,
    Progress,
    Site,
    Verdict,
    accept,
    agree,
    decide,
)
from logits_core.rollout.agreement import still_allowed, take_metadata, take_roots
from logits_core.rollout.progress import check_counter
from logits_gateway.adapters.state_file import StateFile
from logits_gateway.cluster_view import ClusterView
from logits_shell.log import Logger

_STAYS = "; the running release stays"
_REFUSALS = {
    "root": "the vendor's root doesn't follow from the one that was installed here",
    "signatures": "the offer is not signed by enough of the keys that this Gateway trusts",
    "version": "the offered metadata is older than what was seen before",
    "mix": "the offered metadata doesn't fit together",
    "expiry": "the offered metadata is expired",
    "length": "the offer is too large",
    "environment": "the offer is for another environment",
    "agreement": "the vendor's offline keys don't allow what its Ops API wants",
    "floor": "the release is below the floor that the vendor's offline keys set",
    "range": "the release is not made for this version of the Gateway or of Kubernetes",
    "counter": "the offered release has a counter that is not above the accepted one",
}
"""Sentences of ours for a refusal, by rule: nothing that an offer says may reach the board."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where an offer stands.

    Attributes:
        progress: with the offer accepted, if it may begin.
        begun: the release that just was.
        refusal: why an offer is refused, empty when none is.
        hold: what a release waits for, None when none waits.
        wake_at: when to look again, in seconds since the epoch; None for never.
        plan: what will happen and why, for the customer's eyes.
    """

    progress: Progress
    begun: Accepted | None = None
    refusal: str = ""
    hold: Hold | None = None
    wake_at: float | None = None
    plan: dict[str, Any] | None = None


class Offers:
    """Keeps the newest verified offer.

    Args:
        state: what is remembered across restarts.
        view: the cluster, where the customer's controls are.
        log: the log.
        pins: the roots that the customer installed.
        site: this environment; its Kubernetes version is learned later.
        free: whether the customer's mode lets anything change.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        state: StateFile,
        view: ClusterView,
        log: Logger,
        *,
        pins: Pins,
        site: Site,
        free: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._view = view
        self._log = log
        self._pins = pins
        self._site = site
        self._free = free
        self._clock = clock
        self._refusal = ""
        self._complaint = ""

    @property
    def known_roots(self) -> tuple[int, int]:
        """Versions of the trusted roots, images then director; 0 for none."""
        trusted = self._state.trusted
        return trusted.images.root_version, trusted.director.root_version

    @property
    def kubernetes(self) -> str:
        """Version of Kubernetes, empty until it was learned."""
        return self._site.kubernetes

    def learn(self, kubernetes: str) -> None:
        """Take note of the version of Kubernetes."""
        self._site = replace(self._site, kubernetes=kubernetes)

    def take(self, content: bytes) -> None:
        """Verify what the Ops API answered; a refusal shows on the board and changes nothing but good roots."""
        try:
            offer = Offer.parse(content)
            if offer == Offer():
                return  # nothing is published
            trusted, refusal = take_roots(self._state.trusted, offer, self._pins)
            self._state.trust(trusted, self._state.offered)
            if refusal is not None:
                raise refusal
            if offer.images.timestamp and offer.director.timestamp:
                taken = take_metadata(trusted, offer, self._now())
                self._state.trust(taken, offer.release.encode())
        except LogitsError as error:
            self._refusal = _literal(error)
            self._warn(error)
        else:
            self._refusal = ""
        self._view.changes.ring()

    def step(self) -> Step:
        """Look whether a release may begin, and let it."""
        progress = self._state.progress
        try:
            agreed = agree(self._state.trusted, self._state.offered, self._site)
            if agreed is None or agreed == progress.accepted:
                return Step(progress, refusal=self._refusal)
            check_counter(progress, agreed)
        except LogitsError as error:
            self._warn(error)
            return Step(progress, refusal=self._refusal or _literal(error))
        return self._judged(progress, agreed)

    def good_allowed(self) -> bool:
        """Whether the offline keys still let the last good release start."""
        good = self._state.progress.good
        return good is None or still_allowed(self._state.trusted.images, good)

    def expires(self) -> datetime | None:
        """When the vendor's word runs out."""
        return self._state.trusted.expires()

    def _judged(self, progress: Progress, agreed: Accepted) -> Step:
        pending = Pending(
            version=agreed.release.version,
            digest=agreed.digest,
            first=progress.accepted is None,
            expires=self.expires(),
            approvals=self._view.approvals(),
            environment=self._site.environment,
            free=self._free(),
        )
        verdict = decide(self._controls(), pending, self._now())
        plan = _plan(agreed, verdict)
        if verdict.hold is not None:
            wake = verdict.until.timestamp() if verdict.until else None
            return Step(progress, refusal=self._refusal, hold=verdict.hold, wake_at=wake, plan=plan)
        accepted = accept(progress, agreed, now=self._clock())
        self._log.info(
            "release {version} with counter {counter} is accepted",
            version=Version(agreed.release.version),
            counter=Count(agreed.release.counter),
        )
        return Step(accepted, begun=agreed, refusal=self._refusal, plan=plan)

    def _controls(self) -> Controls | None:
        try:
            return self._view.controls()
        except LogitsError as error:
            self._warn(error)
            return None

    def _warn(self, error: LogitsError) -> None:
        if error.message != self._complaint:  # every round finds the same again
            self._complaint = error.message
            self._log.warning(
                "the offered release is refused with {code}: {message}",
                code=Identifier(error.code.value),
                message=error.message,
            )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _plan(agreed: Accepted, verdict: Verdict) -> dict[str, Any]:
    return {
        "version": agreed.release.version,
        "counter": agreed.release.counter,
        "sha256": agreed.digest,
        "images": dict(agreed.release.images),
        "reason": agreed.reason,
        "action": "wait" if verdict.hold else "begin",
        "waitsFor": str(verdict.hold or ""),
        "until": verdict.until.isoformat() if verdict.until else None,
    }


def _literal(error: LogitsError) -> str:
    return _REFUSALS.get(error.field or "", "the offer can't be read") + _STAYS
