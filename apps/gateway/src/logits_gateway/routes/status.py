"""Route ``/status``: release, rollout and Ops API link, for the Console and the Controller."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.di import NamedDependency

from logits_gateway.board import Board


@get("/status", operation_id="status", sync_to_thread=False)
def status(board: NamedDependency[Board]) -> dict[str, Any]:
    """What the Gateway knows about itself."""
    return board.document()
