"""The block cache of a simulated engine: prefixes shared by reference, least recently used tails go first.

It counts 16-token blocks as vLLM's does, but keeps them by span: a span's blocks are used and freed together,
and what is evicted of it is its tail. Blocks of running requests can't be evicted.
"""

from __future__ import annotations

from collections import OrderedDict

from logits_core.simulation.profiles import BLOCK
from logits_core.simulation.requests import Span


class Node:
    """The cached blocks of one span."""

    __slots__ = ("blocks", "chain", "first", "held", "references")

    def __init__(self, span: Span) -> None:
        self.chain = span.chain
        self.first = span.start // BLOCK
        self.blocks = (span.start + span.tokens) // BLOCK - self.first
        self.held = 0
        self.references = 0


class BlockCache:
    """All blocks of one engine.

    Args:
        blocks: How many there are.

    Attributes:
        free: Blocks that hold nothing.
        idle: Blocks that hold something that no running request uses.
    """

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.free = blocks
        self.idle = 0
        self._nodes: dict[int, Node] = {}
        self._order: OrderedDict[int, Node] = OrderedDict()

    @property
    def available(self) -> int:
        """Blocks that can be had."""
        return self.free + self.idle

    @property
    def usage(self) -> float:
        """Share of the blocks that running requests use."""
        return 1.0 - self.available / self.blocks

    def matched(self, prompt: tuple[Span, ...]) -> int:
        """Return how many tokens from a prompt's beginning are held, in whole blocks."""
        found = 0
        for span in prompt:
            node = self._nodes.get(span.chain)
            if node is None:
                break
            found = node.first + node.held
            if node.held < node.blocks:
                break
        return found * BLOCK

    def hold(self, prompt: tuple[Span, ...]) -> list[Node]:
        """Use a prompt's spans; what is held of them can't be evicted until they are left."""
        nodes: list[Node] = []
        for span in prompt:
            node = self._nodes.get(span.chain)
            if node is None:
                node = self._nodes[span.chain] = Node(span)
            elif node.references == 0 and node.held:
                self.idle -= node.held
                del self._order[span.chain]
            node.references += 1
            nodes.append(node)
        return nodes

    def leave(self, nodes: list[Node]) -> None:
        """Stop using spans; they become the most recently used, heads after tails."""
        for node in reversed(nodes):
            node.references -= 1
            if node.references == 0:
                if node.held:
                    self.idle += node.held
                    self._order[node.chain] = node
                else:
                    del self._nodes[node.chain]

    def missing(self, nodes: list[Node], start: int, end: int) -> int:
        """Return how many blocks the tokens from `start` to `end` still need in these spans."""
        last, need = end // BLOCK, 0
        for node in nodes:
            wanted = min(node.blocks, last - node.first)
            if wanted > node.held:
                need += wanted - node.held
        return need

    def fill(self, nodes: list[Node], end: int) -> None:
        """Note that the spans hold all whole blocks before `end`; `take` has made room for them."""
        last = end // BLOCK
        for node in nodes:
            wanted = min(node.blocks, last - node.first)
            if wanted > node.held:
                node.held = wanted

    def take(self, blocks: int) -> bool:
        """Take blocks, evicting what has been unused longest; False and nothing done when there are too few."""
        if blocks > self.free + self.idle:
            return False
        while self.free < blocks:
            chain, node = next(iter(self._order.items()))
            gone = min(node.held, blocks - self.free)
            node.held -= gone
            self.idle -= gone
            self.free += gone
            if not node.held:
                del self._order[chain]
                del self._nodes[chain]
        self.free -= blocks
        return True

    def give(self, blocks: int) -> None:
        """Return blocks that hold nothing worth keeping."""
        self.free += blocks

    def clear(self) -> None:
        """Lose everything."""
        self.free, self.idle = self.blocks, 0
        self._nodes.clear()
        self._order.clear()
