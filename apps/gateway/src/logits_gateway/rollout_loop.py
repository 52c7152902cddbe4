"""The rollout loop: offers of the Ops API become plans, and plans become one applied Deployment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import anyio

from logits_core.errors import LogitsError
from logits_core.reconcile.manifests import Site
from logits_core.redaction import Count, Identifier, Reason, Version
from logits_core.rollout import (
    Accepted,
    Desired,
    Plan,
    SignedRelease,
    accept,
    controller_manifest,
    observe,
    plan,
    verify,
)
from logits_core.rollout.manifest import MANIFEST_DIGEST
from logits_core.rollout.manifest import NAME as CONTROLLER_NAME
from logits_gateway.adapters.state_file import StateFile
from logits_gateway.backoff import Backoff
from logits_gateway.board import Board, RolloutView
from logits_gateway.cluster_view import ClusterView
from logits_shell.kubernetes import DEPLOYMENTS, KubernetesClient
from logits_shell.log import Logger

FIELD_MANAGER = "logits-gateway"
CONTROLLER_SETTINGS = {"LOGITS_GATEWAY_URL": "http://logits-gateway:8080"}


class RolloutLoop:
    """Observes, plans and applies; it decides nothing itself.

    Args:
        view: the cluster.
        client: the Gateway's own way through its door.
        state: what is remembered across restarts.
        public_keys: raw keys that may sign releases.
        board: told where the rollout stands.
        log: the log.
        deadline: seconds that a new Controller has to become ready.
        image_pull_policy: of every image.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        view: ClusterView,
        client: KubernetesClient,
        state: StateFile,
        *,
        public_keys: Iterable[bytes],
        board: Board,
        log: Logger,
        deadline: float,
        image_pull_policy: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._view = view
        self._client = client
        self._state = state
        self._public_keys = tuple(public_keys)
        self._board = board
        self._log = log
        self._deadline = deadline
        self._image_pull_policy = image_pull_policy
        self._clock = clock
        self._refusal = ""
        self._backoff = Backoff(first=0.5, longest=15.0)

    def offer(self, document: Any) -> None:
        """Take what the Ops API wants to run here; refusals show on the board and change nothing."""
        if document is None:
            return
        try:
            envelope = SignedRelease.parse(document)
            accepted = Accepted(verify(envelope, self._public_keys), envelope)
            progress = accept(self._state.progress, accepted, now=self._clock())
        except LogitsError as error:
            self._refusal = _literal(error)
            self._log.warning(
                "the offered release is refused with {code}: {message}",
                code=Identifier(error.code.value),
                message=error.message,
            )
        else:
            self._refusal = ""
            if progress != self._state.progress:
                self._log.info(
                    "release {version} with counter {counter} is accepted",
                    version=Version(accepted.release.version),
                    counter=Count(accepted.release.counter),
                )
            self._state.store(progress)
        self._view.changes.ring()

    async def run(self) -> None:
        """Roll out for ever."""
        for reflector in self._view.reflectors:
            await reflector.synced.wait()
        while True:
            seen = self._view.changes.count
            pause = await self._round()
            with anyio.move_on_after(pause) if pause is not None else anyio.CancelScope():
                await self._view.changes.wait(seen)

    async def _round(self) -> float | None:
        """Make one plan and take its step; return the longest pause before the next, in seconds."""
        try:
            decided = self._plan()
            if decided is None:
                return None
            self._state.store(decided.progress)
            self._show(decided)
            if decided.apply is not None:
                await self._apply(decided.apply)
        except LogitsError as error:
            self._log.warning(
                "the rollout step failed with {code}: {message}",
                code=Identifier(error.code.value),
                message=error.message,
            )
            return self._backoff.failed(asked=error.retry_after)
        self._backoff.succeeded()
        return None if decided.wake_at is None else max(0.05, decided.wake_at - self._clock())

    def _plan(self) -> Plan | None:
        progress = self._state.progress
        if progress.accepted is not None and self._site(progress.accepted) is None:
            return None  # the chart's anchor isn't there; its arrival rings
        desired = Desired(
            progress=progress,
            accepted_manifest=self._digest(progress.accepted),
            good_manifest=self._digest(progress.good),
            deadline=self._deadline,
            refusal=self._refusal,
        )
        live = self._view.controller.get(CONTROLLER_NAME)
        return plan(observe(live), desired, self._clock())

    def _show(self, decided: Plan) -> None:
        view = RolloutView(decided.progress.accepted, decided.running, decided.phase, decided.message)
        if self._board.show(view):
            self._log.info("rollout is {phase}: {message}", phase=Reason(str(decided.phase)), message=decided.message)

    async def _apply(self, accepted: Accepted) -> None:
        manifest = self._manifest(accepted)
        if manifest is None:
            return
        await self._client.apply(DEPLOYMENTS, manifest, field_manager=FIELD_MANAGER, force=True)
        self._log.info("the Controller of release {version} is applied", version=Version(accepted.release.version))

    def _site(self, accepted: Accepted) -> Site | None:
        return self._view.site(accepted.release.version, self._image_pull_policy)

    def _manifest(self, accepted: Accepted) -> dict[str, Any] | None:
        site = self._site(accepted)
        if site is None:
            return None
        settings = CONTROLLER_SETTINGS | {
            "LOGITS_IMAGE_PULL_POLICY": self._image_pull_policy,
            "LOGITS_VERSION": accepted.release.version,
        }
        return controller_manifest(accepted.release, site, settings)

    def _digest(self, accepted: Accepted | None) -> str:
        manifest = self._manifest(accepted) if accepted else None
        return manifest["metadata"]["annotations"][MANIFEST_DIGEST] if manifest else ""


_REFUSALS = {
    "signatures": "the offered release is not signed by a key of this Gateway; the running one stays",
    "counter": "the offered release has a counter that is not above the accepted one; the running one stays",
}


def _literal(error: LogitsError) -> str:
    """A sentence of ours for a refusal: nothing that the offer says may reach the board."""
    return _REFUSALS.get(error.field or "", "the offered release can't be read; the running one stays")
