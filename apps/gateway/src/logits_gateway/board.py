"""The board: what the Gateway knows about itself right now, for /status, reports and the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from logits_core.policy import Mode
from logits_core.rollout import Accepted, Phase
from logits_core.rollout.plan import WAITING
from logits_shell.kubernetes import Changes


@dataclass
class Contact:
    """How the link to the Ops API fares."""

    registered: bool = False
    reachable: bool = False
    last_contact: float | None = None
    message: str = "not contacted yet"


@dataclass
class RolloutView:
    """Where the rollout stands: all but plan and expiry in words that may leave the cluster."""

    desired: Accepted | None = None
    running: Accepted | None = None
    phase: Phase = Phase.IDLE
    message: str = WAITING
    plan: dict[str, Any] | None = None
    expires: datetime | None = None

    def document(self) -> dict[str, Any]:
        """The state as JSON values."""
        return {
            "desired": _reference(self.desired),
            "running": _reference(self.running),
            "state": str(self.phase),
            "message": self.message,
        }


class Board:
    """Holds the latest state and wakes whoever reports it.

    Args:
        environment: this environment's id.
        version: the Gateway's own version.
    """

    def __init__(self, environment: str, version: str) -> None:
        self.environment = environment
        self.version = version
        self.contact = Contact()
        self.rollout = RolloutView()
        self.report: dict[str, Any] = {}
        self.mode = Mode.NORMAL
        self.changes = Changes()

    def show(self, view: RolloutView) -> bool:
        """Take over the state of the rollout; tell whether it is another one."""
        if view == self.rollout:
            return False
        self.rollout = view
        self.changes.ring()
        return True

    def reported(self, report: dict[str, Any]) -> None:
        """Take over what the Controller says about the components."""
        if report != self.report:
            self.report = report
            self.changes.ring()

    def changed(self, mode: Mode) -> None:
        """Take over the customer's mode."""
        self.mode = mode
        self.changes.ring()

    def reached(self, clock: Callable[[], float]) -> None:
        """Note that the Ops API answered."""
        self.contact.reachable = True
        self.contact.last_contact = clock()
        self.contact.message = ""

    def missed(self, message: str) -> None:
        """Note that the Ops API didn't answer, or refused us."""
        self.contact.reachable = False
        self.contact.message = message

    def document(self) -> dict[str, Any]:
        """Everything as JSON values."""
        seen = self.contact.last_contact
        stamp = None if seen is None else datetime.fromtimestamp(seen, UTC).isoformat(timespec="seconds")
        return {
            "environment": self.environment,
            "gatewayVersion": self.version,
            "mode": str(self.mode),
            "registered": self.contact.registered,
            "opsApi": {
                "reachable": self.contact.reachable,
                "lastContact": stamp,
                "message": self.contact.message,
            },
            "release": self.rollout.document(),
            "releasePlan": self.rollout.plan,
            "vendorWordExpires": self.rollout.expires.isoformat() if self.rollout.expires else None,
        }


def _reference(accepted: Accepted | None) -> dict[str, Any] | None:
    if accepted is None:
        return None
    return {"version": accepted.release.version, "counter": accepted.release.counter}
