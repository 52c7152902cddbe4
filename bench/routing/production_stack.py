"""vLLM production-stack's prefixaware: a trie of 128-character chunks, any of the longest match's engines.

Source: production-stack `src/vllm_router/routers/routing_logic.py`, `prefix/hashtrie.py`. No eviction, no load
term, random among the engines of the deepest match; all engines when nothing matches.
"""

from __future__ import annotations

from collections.abc import Sequence

from logits_core.simulation.policy import Policy, View
from logits_core.simulation.requests import Request

CHUNK_TOKENS = 32


class ProductionStack(Policy):
    """Prefix-aware routing."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._trie: dict[int, set[int]] = {}

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return one of the engines of the deepest match."""
        chunks = request.blocks(CHUNK_TOKENS)
        found: Sequence[int] = ready
        for chunk in chunks:
            holders = self._trie.get(chunk)
            alive = [engine for engine in ready if engine in holders] if holders else []
            if not alive:
                break
            found = alive
        chosen = found[self.view.pick(len(found))]
        for chunk in chunks:
            self._trie.setdefault(chunk, set()).add(chosen)
        return chosen
