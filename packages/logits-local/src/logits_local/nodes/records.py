"""Container records: the state of one container in the words of ``containerStatuses``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from logits_local.controllers.objects import timestamp


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not running: being prepared, backing off or refused, for this reason."""

    reason: str
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The ``state`` entry."""
        return {"waiting": {"reason": self.reason, **({"message": self.message} if self.message else {})}}


@dataclass(frozen=True, slots=True)
class Running:
    """The process runs."""

    started_at: datetime

    def as_dict(self) -> dict[str, Any]:
        """The ``state`` entry."""
        return {"running": {"startedAt": timestamp(self.started_at)}}


@dataclass(frozen=True, slots=True)
class Terminated:
    """The process ended; a negative ``exit_code`` of Python is given as 128 + signal."""

    exit_code: int
    started_at: datetime
    finished_at: datetime
    container_id: str = ""
    message: str = ""
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The ``state`` entry."""
        entry: dict[str, Any] = {
            "exitCode": self.exit_code,
            "reason": self.reason or ("Completed" if self.exit_code == 0 else "Error"),
            "startedAt": timestamp(self.started_at),
            "finishedAt": timestamp(self.finished_at),
            "containerID": self.container_id,
        }
        if self.message:
            entry["message"] = self.message
        return {"terminated": entry}


@dataclass(slots=True)
class ContainerRecord:
    """What the kubelet knows about one container of a pod."""

    name: str
    image: str
    state: Waiting | Running | Terminated
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False
    container_id: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The entry in ``containerStatuses``."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image,
            "containerID": self.container_id,
            "state": self.state.as_dict(),
            "lastState": self.last.as_dict() if self.last else {},
            "restartCount": self.restarts,
            "started": self.started,
            "ready": self.ready,
        }
