"""llm-d's endpoint picker: a weighted sum of queue, cache usage and prefix scores; the highest wins.

Source: llm-d-router `pkg/epp/config/loader/defaults.go` and the scorers' READMEs. queue = (max - q) / (max - min)
of waiting requests, usage = 1 - cache usage, prefix = matched / all blocks; metrics every 50 ms; random ties.
Estimated: 64-token blocks in an LRU index of 31,250 blocks a pod. Precise: the engine's own cache by events,
here without any delay, which flatters it. Weights as published with the capacity benchmarks: precise 3:2:2
(prefix:queue:usage), estimated 1:1:1 over the first 256 blocks of 64 characters; `EstimatedTuned` has today's
defaults instead.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from logits_core.simulation.policy import Policy, Report, View
from logits_core.simulation.requests import Request

POD_BLOCKS = 31_250
BLOCK_TOKENS = 64
MATCHED_TOKENS = 131_072


class Scorer(Policy):
    """The sum of scores without a prefix: llm-d's load-only profile."""

    prefix_weight = 0.0
    queue_weight = 1.0
    usage_weight = 1.0

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._reports = [Report(0, 0, 0.0)] * len(view.profiles)

    def observe(self, engine: int, report: Report, now: float) -> None:
        """Remember the metrics."""
        self._reports[engine] = report

    def choose(self, request: Request, ready: Sequence[int], now: float) -> int | None:
        """Return the highest sum."""
        shares = self.shares(request, ready)
        queues = [self._reports[engine].waiting for engine in ready]
        most, least = max(queues), min(queues)
        best, chosen = -1.0, list[int]()
        for engine, share, queue in zip(ready, shares, queues, strict=True):
            queued = (most - queue) / (most - least) if most > least else 1.0
            total = (
                self.prefix_weight * share
                + self.queue_weight * queued
                + self.usage_weight * (1.0 - self._reports[engine].usage)
            )
            if total > best:
                best, chosen = total, [engine]
            elif total == best:
                chosen.append(engine)
        return chosen[self.view.pick(len(chosen))]

    def shares(self, request: Request, ready: Sequence[int]) -> list[float]:
        """Return the share of the prompt that each engine holds."""
        return [0.0] * len(ready)


class Precise(Scorer):
    """Prefix by the engines' cache events."""

    prefix_weight = 3.0
    queue_weight = 2.0
    usage_weight = 2.0

    def shares(self, request: Request, ready: Sequence[int]) -> list[float]:
        """Look into the engines."""
        return [self.view.engines[engine].cache.matched(request.spans) / request.prompt_tokens for engine in ready]


class Estimated(Scorer):
    """Prefix by what was sent."""

    prefix_weight = 1.0
    queue_weight = 1.0
    usage_weight = 1.0
    block_tokens = 16
    most_blocks = 256

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._index: list[OrderedDict[int, None]] = [OrderedDict() for _ in view.profiles]
        self._blocks: tuple[int, ...] = ()

    def shares(self, request: Request, ready: Sequence[int]) -> list[float]:
        """Look into the index."""
        blocks = request.hashes(range(self.block_tokens, request.prompt_tokens + 1, self.block_tokens))
        self._blocks = blocks[: self.most_blocks]
        return [self._match(engine) / max(1, len(blocks)) for engine in ready]

    def _match(self, engine: int) -> int:
        index = self._index[engine]
        for number, block in enumerate(self._blocks):
            if block not in index:
                return number
        return len(self._blocks)

    def sent(self, request: Request, engine: int, now: float) -> None:
        """Index the prompt."""
        index = self._index[engine]
        for block in reversed(self._blocks):
            index[block] = None
            index.move_to_end(block)
        while len(index) > POD_BLOCKS:
            index.popitem(last=False)


class EstimatedTuned(Estimated):
    """Prefix by what was sent, with today's defaults: weights 3:2:2, 64-token blocks, long matches."""

    prefix_weight = 3.0
    queue_weight = 2.0
    usage_weight = 2.0
    block_tokens = BLOCK_TOKENS
    most_blocks = MATCHED_TOKENS // BLOCK_TOKENS
