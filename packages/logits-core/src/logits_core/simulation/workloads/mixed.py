"""Independent requests of mixed lengths: heavy tails, bursts of siblings, popular prefixes, adapters."""

from __future__ import annotations

from dataclasses import dataclass

from logits_core.simulation.chances import lognormal, poisson, zipf
from logits_core.simulation.policy import Chance
from logits_core.simulation.requests import Request, spans

ONE_OFF = 10_000_000


@dataclass(frozen=True, slots=True)
class Mixed:
    """Requests arrive at random, each with a popular prefix and a question of its own.

    One prefix is the one-hot workload, a large `burst` the workload of siblings that arrive together.

    Attributes:
        rate: Requests a second, siblings counted.
        seconds: How long they arrive.
        prefixes: Different prefixes, the k-th with a popularity of 1/k; 0 for none.
        prefix_tokens: Median length of a prefix.
        prefix_sigma: Spread of that length: 0 for all alike.
        prompt_tokens: Median length of what is the request's own.
        output_tokens: Median length of an answer.
        sigma: Weight of these lengths' log-normal tails.
        burst: Requests that arrive at the same moment with the same prefix and, but for the last 32 tokens, the
            same prompt.
        adapters: LoRA adapters, 0 for none.
        longest: No prompt's own part is longer, tokens.
    """

    rate: float
    seconds: float
    prefixes: int = 0
    prefix_tokens: float = 4000.0
    prefix_sigma: float = 0.0
    prompt_tokens: float = 600.0
    output_tokens: float = 250.0
    sigma: float = 1.0
    burst: int = 1
    adapters: int = 0
    longest: int = 60_000

    def start(self, chance: Chance) -> list[Request]:
        """Return all requests."""
        lengths = [max(64, int(lognormal(chance, self.prefix_tokens, self.prefix_sigma))) for _ in range(self.prefixes)]
        found: list[Request] = []
        for at in poisson(chance, self.rate / self.burst, 0.0, self.seconds):
            found.extend(self._siblings(at, lengths, chance, len(found)))
        return found

    def after(self, request: Request, now: float, chance: Chance) -> list[Request]:
        """Return nothing: all are there from the start."""
        return []

    def _siblings(self, at: float, lengths: list[int], chance: Chance, before: int) -> list[Request]:
        which = zipf(chance, self.prefixes) if self.prefixes else 0
        prefix = [(1 + which, lengths[which])] if self.prefixes else []
        adapter = 1 + zipf(chance, self.adapters) if self.adapters else 0
        own = 1 + int(min(self.longest, lognormal(chance, self.prompt_tokens, self.sigma)))
        content = ONE_OFF + 3 * before
        found: list[Request] = []
        for number in range(self.burst):
            output = 1 + int(min(4000.0, lognormal(chance, self.output_tokens, self.sigma)))
            tail = [(content + 3 * number + 1, 32)] if self.burst > 1 else []
            prompt = spans([*prefix, (content, own), *tail], adapter)
            found.append(
                Request(at, prompt, output, answer=-content - 3 * number, adapter=adapter, session=before + number)
            )
        return found
