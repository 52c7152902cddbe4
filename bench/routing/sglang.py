"""SGLang's cache-aware router: a tree of sent text per engine, or the shortest queue when loads differ.

Source: sglang `sgl-model-gateway/src/policies/cache_aware.rs`. Two sets of defaults: the Rust struct's (0.5, 32,
1.1) and the command line's (0.3, 64, 1.5). A miss goes to the smallest tree, as in the first version. The tree
of characters is kept here by 256-character blocks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from logits_core.simulation.policy import Counting, View
from logits_core.simulation.requests import Request

BLOCK_TOKENS = 64
TREE_BLOCKS = 2**26 // 256


class SGLang(Counting):
    """Cache-aware routing with the command line's defaults."""

    threshold = 0.3
    absolute = 64
    relative = 1.5

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._trees: list[OrderedDict[int, None]] = [OrderedDict() for _ in view.profiles]

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Balance if loads differ by both thresholds; else follow the best match, else the smallest tree."""
        blocks = request.blocks(BLOCK_TOKENS)
        loads = [self.in_flight[engine] for engine in ready]
        if max(loads) - min(loads) > self.absolute and max(loads) > self.relative * min(loads):
            chosen = self.least(ready)
        else:
            matches = [self._match(engine, blocks) for engine in ready]
            best = max(matches)
            if best * BLOCK_TOKENS > self.threshold * request.prompt_tokens:
                chosen = ready[matches.index(best)]
            else:
                chosen = min(ready, key=lambda engine: len(self._trees[engine]))
        self._insert(chosen, blocks)
        return chosen

    def _match(self, engine: int, blocks: Sequence[int]) -> int:
        tree = self._trees[engine]
        for number, block in enumerate(blocks):
            if block not in tree:
                return number
        return len(blocks)

    def _insert(self, engine: int, blocks: Sequence[int]) -> None:
        tree = self._trees[engine]
        for block in reversed(blocks):
            tree[block] = None
            tree.move_to_end(block)
        while len(tree) > TREE_BLOCKS:
            tree.popitem(last=False)


class SGLangStruct(SGLang):
    """The same with the Rust struct's defaults."""

    threshold = 0.5
    absolute = 32
    relative = 1.1
