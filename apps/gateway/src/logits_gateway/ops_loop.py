"""The Ops API loops: registration, the question for the desired release, and reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio

from logits_core.errors import LogitsError
from logits_core.policy.pods import GPU
from logits_core.redaction import Count, Identifier, Seconds
from logits_gateway.adapters.ops_api import OpsApi
from logits_gateway.backoff import Backoff
from logits_gateway.board import Board
from logits_gateway.offers import Offers
from logits_shell.kubernetes import NODES, KubernetesClient
from logits_shell.log import Logger

MIN_REPORT_PAUSE = 1.0
"""Shortest pause between two reports, in seconds; changes come in bursts."""


class OpsLoop:
    """Keeps in touch with the vendor; everything else works without it.

    Args:
        ops_api: the link.
        client: reads nodes and version for the registration.
        offers: takes what the vendor wants to run here.
        board: what is reported.
        log: the log.
        wait_seconds: how long the Ops API may hold a question open.
        report_seconds: the longest time between two reports.
        first_sequence: where report numbers begin in this process' life.
        free: whether the customer lets anything be changed now.
    """

    def __init__(
        self,
        ops_api: OpsApi,
        client: KubernetesClient,
        offers: Offers,
        *,
        board: Board,
        log: Logger,
        wait_seconds: int,
        report_seconds: float,
        first_sequence: int,
        free: Callable[[], bool] = lambda: True,
    ) -> None:
        self._free = free
        self._ops_api = ops_api
        self._client = client
        self._offers = offers
        self._board = board
        self._log = log
        self._wait_seconds = wait_seconds
        self._report_seconds = report_seconds
        self._sequence = first_sequence
        self._registered = anyio.Event()
        self._counts: dict[str, int] = {}

    async def run(self) -> None:
        """Register, then ask for the desired release for ever."""
        await self._register()
        backoff = Backoff()
        etag = ""
        while True:
            if not self._free():
                # A release that was offered meanwhile is asked for again when the customer lets go.
                await anyio.sleep(MIN_REPORT_PAUSE)
                continue
            try:
                started = anyio.current_time()
                answer = await self._ops_api.desired(etag, self._wait_seconds, self._offers.known_roots)
            except LogitsError as error:
                await self._pause(backoff, error)
                continue
            backoff.succeeded()
            if answer is not None and self._free():
                etag = answer[0]
                self._offers.take(answer[1])
            elif anyio.current_time() - started < 1.0:
                await anyio.sleep(1.0)  # a server that doesn't wait must not be asked in a hot loop

    async def report(self) -> None:
        """Report every change of the board, and now and then that all is the same."""
        await self._registered.wait()
        backoff = Backoff()
        while True:
            seen = self._board.changes.count
            try:
                await self._ops_api.report(self._document())
            except LogitsError as error:
                await self._pause(backoff, error)
                continue
            backoff.succeeded()
            await anyio.sleep(MIN_REPORT_PAUSE)
            with anyio.move_on_after(self._report_seconds):
                await self._board.changes.wait(seen)

    async def _register(self) -> None:
        backoff = Backoff(first=0.5)
        while True:
            try:
                await self._ops_api.register(await self._introduction())
            except LogitsError as error:
                await self._pause(backoff, error)
                continue
            self._board.contact.registered = True
            self._registered.set()
            self._board.changes.ring()
            self._log.info(
                "registered with {nodes} nodes and {gpus} GPUs",
                nodes=Count(self._counts["nodes"]),
                gpus=Count(self._counts["gpus"]),
            )
            return

    async def _introduction(self) -> dict[str, Any]:
        version: dict[str, Any] = await self._client.get_path("/version")
        nodes = (await self._client.list(NODES)).items
        self._counts = {"nodes": len(nodes), "gpus": sum(_gpus(node) for node in nodes)}
        return {
            "gatewayVersion": self._board.version,
            "kubernetesVersion": str(version.get("gitVersion", "v0"))[:64],
            **self._counts,
        }

    def _document(self) -> dict[str, Any]:
        self._sequence += 1
        # Numbers that the Controller reports are newer than those of the registration.
        return {
            **self._counts,
            **self._board.report,
            "sequence": self._sequence,
            "release": self._board.rollout.document(),
        }

    async def _pause(self, backoff: Backoff, error: LogitsError) -> None:
        pause = backoff.failed(asked=error.retry_after)
        self._log.warning(
            "the Ops API link failed with {code}, next try in {pause}: {message}",
            code=Identifier(error.code.value),
            pause=Seconds(pause),
            message=error.message,
        )
        await anyio.sleep(pause)


def _gpus(node: dict[str, Any]) -> int:
    status: dict[str, Any] = node.get("status") or {}
    allocatable: dict[str, Any] = status.get("allocatable") or {}
    amount = str(allocatable.get(GPU, "0"))
    return int(amount) if amount.isdigit() else 0
