"""The rollout loop: verified offers become plans, and plans become one applied Deployment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio

from logits_core.errors import LogitsError
from logits_core.reconcile.manifests import Site
from logits_core.redaction import Identifier, Reason, Version
from logits_core.rollout import Accepted, Desired, Plan, plan
from logits_core.rollout.manifest import MANIFEST_DIGEST, controller_manifest, observe
from logits_core.rollout.manifest import NAME as CONTROLLER_NAME
from logits_gateway.adapters.ops_api import OWN
from logits_gateway.adapters.state_file import StateFile
from logits_gateway.backoff import Backoff
from logits_gateway.board import Board, RolloutView
from logits_gateway.cluster_view import ClusterView
from logits_gateway.journal import Journal
from logits_gateway.offers import Offers, Step
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
        offers: knows what may begin.
        journal: gets a record of every release that begins.
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
        offers: Offers,
        journal: Journal,
        board: Board,
        log: Logger,
        deadline: float,
        image_pull_policy: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._view = view
        self._client = client
        self._state = state
        self._offers = offers
        self._journal = journal
        self._board = board
        self._log = log
        self._deadline = deadline
        self._image_pull_policy = image_pull_policy
        self._clock = clock
        self._backoff = Backoff(first=0.5, longest=15.0)

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
            if not self._offers.kubernetes:
                found: dict[str, Any] = await self._client.get_path("/version")
                self._offers.learn(str(found.get("gitVersion", "v0"))[:64])
            step = self._offers.step()
            if step.begun is not None:
                await self._record(step.begun)
            self._state.store(step.progress)
            decided = self._plan(step)
            if decided is None:
                return None
            self._state.store(decided.progress)
            self._show(decided, step)
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
        wakes = [at for at in (decided.wake_at, step.wake_at) if at is not None]
        return max(0.05, min(wakes) - self._clock()) if wakes else None

    async def _record(self, begun: Accepted) -> None:
        act = self._journal.act("release", "/", subject=OWN)
        release = begun.release
        act.notes.update({"release": release.version, "counter": str(release.counter), "sha256": begun.digest})
        await self._journal.outcome(act, 200, durable=True)

    def _plan(self, step: Step) -> Plan | None:
        progress = step.progress
        if progress.accepted is not None and self._site(progress.accepted) is None:
            return None  # the chart's anchor isn't there; its arrival rings
        desired = Desired(
            progress=progress,
            accepted_manifest=self._digest(progress.accepted),
            good_manifest=self._digest(progress.good),
            deadline=self._deadline,
            refusal=step.refusal,
            good_allowed=self._offers.good_allowed(),
            hold=str(step.hold or ""),
        )
        live = self._view.controller.get(CONTROLLER_NAME)
        return plan(observe(live), desired, self._clock())

    def _show(self, decided: Plan, step: Step) -> None:
        progress, expires = decided.progress, self._offers.expires()
        view = RolloutView(progress.accepted, decided.running, decided.phase, decided.message, step.plan, expires)
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
