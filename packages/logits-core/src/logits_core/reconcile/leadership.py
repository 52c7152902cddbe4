"""Which Controller is in charge while one release takes over from another."""

from __future__ import annotations

from typing import Final

from logits_core.errors import LogitsError
from logits_core.reconcile.fields import children, text
from logits_core.reconcile.state import Objects, Release

RELEASE_VARIABLE: Final = "LOGITS_RELEASE"


def in_charge(release: Release, deployments: Objects) -> bool:
    """Whether the Controller with this release may write.

    During a roll the old and the new Controller run side by side; if both wrote, each would undo
    the other's work. The Gateway's word decides: the release in the Controller's own Deployment.
    Without that Deployment, as on a developer's machine, there is nobody to make way for.
    """
    own = deployments.get("logits-controller")
    for container in children(own, "spec", "template", "spec", "containers"):
        for variable in children(container, "env"):
            if variable.get("name") == RELEASE_VARIABLE and text(variable, "value"):
                return _same(release, text(variable, "value"))
    return True


def _same(release: Release, words: str) -> bool:
    try:
        return Release.parse(words) == release
    except LogitsError:
        return False  # written for a newer Controller, which is on its way
