"""Groups of prompts with a shared beginning, asked at rising rates: llm-d's capacity benchmarks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from logits_core.simulation.chances import poisson
from logits_core.simulation.policy import Chance
from logits_core.simulation.requests import Request, spans

WARM_UP = (15.0, 50.0)
STAGES = (
    (3, 20), (10, 20), (15, 20), (20, 38), (22, 34), (25, 30), (30, 25), (35, 21), (40, 38), (43, 36), (46, 33),
    (49, 30), (52, 29), (55, 27), (57, 26), (60, 25),
)  # fmt: skip
"""Requests a second and seconds of each stage, after the warm-up."""


@dataclass(slots=True)
class Ladder:
    """Every group's prompts begin with its system prompt; every prompt is asked again and again.

    A stage begins when the one before has been answered completely, as in the benchmark's load generator, so
    an overloaded stage shows in its throughput and leaves no queue to the next. Stage 0 is the warm-up.

    Attributes:
        groups: System prompts.
        prompts: Questions of each group.
        system_tokens: Length of a system prompt.
        question_tokens: Length of a question.
        output_tokens: Length of every answer.
        stages: Requests a second and seconds of each stage.
    """

    groups: int
    prompts: int
    system_tokens: int = 6000
    question_tokens: int = 1200
    output_tokens: int = 1000
    stages: tuple[tuple[float, float], ...] = (WARM_UP, *STAGES)
    _open: int = field(default=0, init=False)
    _stage: int = field(default=0, init=False)
    _answers: int = field(default=0, init=False)

    def start(self, chance: Chance) -> list[Request]:
        """Return the warm-up."""
        self._open = self._stage = self._answers = 0
        return self._requests(0.0, chance)

    def after(self, request: Request, now: float, chance: Chance) -> list[Request]:
        """Return the next stage when this was the last request of one."""
        self._open -= 1
        if self._open or self._stage + 1 >= len(self.stages):
            return []
        self._stage += 1
        return self._requests(now, chance)

    def _requests(self, now: float, chance: Chance) -> list[Request]:
        rate, seconds = self.stages[self._stage]
        found = [self._one(at, chance) for at in poisson(chance, rate, now, seconds)]
        self._open = len(found)
        return found

    def _one(self, at: float, chance: Chance) -> Request:
        group = int(chance() * self.groups)
        question = group * self.prompts + int(chance() * self.prompts)
        self._answers += 1
        parts = ((1 + group, self.system_tokens), (1_000_000 + question, self.question_tokens))
        return Request(at, spans(parts), self.output_tokens, answer=-self._answers, stage=self._stage)

    def scaled(self, share: float) -> Ladder:
        """Return the same with all stages' durations multiplied by `share`, for quick runs."""
        return replace(self, stages=tuple((rate, seconds * share) for rate, seconds in self.stages))


def capacity_73() -> Ladder:
    """Return the 73-capacity benchmark: 150 groups of 5 prompts fill 73 % of eight engines of 307,328 tokens."""
    return Ladder(groups=150, prompts=5)


def capacity_37() -> Ladder:
    """Return the 37-capacity benchmark for four engines: half the share, so 38 groups of 5 prompts."""
    return Ladder(groups=38, prompts=5)
