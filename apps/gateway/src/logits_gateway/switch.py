"""The customer's switch: which mode is in force now, and the record of every change of it."""

from __future__ import annotations

from logits_core.errors import LogitsError
from logits_core.policy import Mode
from logits_core.redaction import Identifier
from logits_gateway.adapters.ops_api import OWN
from logits_gateway.board import Board
from logits_gateway.cluster_view import ClusterView
from logits_gateway.journal import Journal
from logits_shell.log import Logger


class Switch:
    """Tells the mode, and follows it.

    Args:
        view: the cluster, whose annotation may be stricter than the chart.
        chart: the mode that the chart's values ask for.
        journal: gets a record of every change.
        board: shows the mode.
        log: the log.
    """

    def __init__(self, view: ClusterView, chart: Mode, journal: Journal, board: Board, log: Logger) -> None:
        self._view = view
        self._chart = chart
        self._journal = journal
        self._board = board
        self._log = log

    def mode(self) -> Mode:
        """The mode in force.

        Raises:
            LogitsError: UNAVAILABLE before it is known.
        """
        return self._view.mode(self._chart)

    def paused(self) -> bool:
        """Whether nothing may leave.

        Raises:
            LogitsError: UNAVAILABLE before it is known.
        """
        return self.mode() is Mode.PAUSED

    def free(self) -> bool:
        """Whether anything may be changed; not before that is known."""
        try:
            return self.mode() is Mode.NORMAL
        except LogitsError:
            return False

    async def run(self) -> None:
        """Record the mode at the start and whenever it changes, for ever."""
        await self._view.limits_map.synced.wait()
        last: Mode | None = None
        while True:
            seen = self._view.changes.count
            if (mode := self.mode()) is not last:
                last = mode
                self._board.changed(mode)
                self._log.info("the customer's mode is {mode}", mode=Identifier(str(mode)))
                await self._record(mode)
            await self._view.changes.wait(seen)

    async def _record(self, mode: Mode) -> None:
        act = self._journal.act("mode", "/", subject=OWN)
        act.notes["mode"] = str(mode)
        try:
            await self._journal.outcome(act, 200, durable=True)
        except LogitsError:
            return  # the log is broken, and health says so; the mode holds all the same
