"""Simulated requests: prompts as chains of content that others may share, without any text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from logits_core.routing.prompt import ENDS, Prompt

BYTES_PER_TOKEN: Final = 4
MASK: Final = (1 << 64) - 1
POSITIVE: Final = 1 << 48
"""Added to content numbers, because Python gives -1 and -2 the same hash."""


def chained(chain: int, content: int) -> int:
    """Return the chain of `content` after what `chain` stands for."""
    return hash((chain, content + POSITIVE)) & MASK


class Span:
    """A stretch of tokens at a place in a prompt; equal chains mean equal content up to its end.

    Attributes:
        chain: Hash of the content from the prompt's beginning to this span's end.
        start: Tokens before it.
        tokens: Its length.
    """

    __slots__ = ("chain", "start", "tokens")

    def __init__(self, chain: int, start: int, tokens: int) -> None:
        self.chain = chain
        self.start = start
        self.tokens = tokens


def spans(parts: Iterable[tuple[int, int]], adapter: int = 0) -> tuple[Span, ...]:
    """Return a prompt's spans.

    Args:
        parts: Content number and length in tokens of each part, in order.
        adapter: Number of the LoRA adapter, 0 for none; adapters share nothing.
    """
    found: list[Span] = []
    chain, start = chained(0, adapter), 0
    for content, tokens in parts:
        chain = chained(chain, content)
        found.append(Span(chain, start, tokens))
        start += tokens
    return tuple(found)


class Request:
    """One request of a workload.

    Attributes:
        arrival: When it reaches the routers, seconds.
        spans: The prompt.
        output_tokens: How long the answer is going to be.
        answer: Content number of the answer, which a later prompt of the same session may contain.
        session: Number of its session.
        adapter: Number of its LoRA adapter, 0 for none.
        first_message: What a router that looks only at the first message's beginning sees.
        stage: Which part of the workload it belongs to.
    """

    __slots__ = (
        "_marks", "adapter", "answer", "arrival", "first_message", "output_tokens", "prompt_tokens", "session",
        "spans", "stage",
    )  # fmt: skip

    def __init__(
        self,
        arrival: float,
        prompt: tuple[Span, ...],
        output_tokens: int,
        *,
        answer: int,
        session: int = 0,
        adapter: int = 0,
        first_message: int = 0,
        stage: int = 0,
    ) -> None:
        last = prompt[-1]
        self.arrival = arrival
        self.spans = prompt
        self.output_tokens = output_tokens
        self.answer = answer
        self.session = session
        self.adapter = adapter
        self.first_message = first_message or prompt[0].chain
        self.stage = stage
        self.prompt_tokens = last.start + last.tokens
        self._marks: Prompt | None = None

    def prompt(self) -> Prompt:
        """Return what a router knows of the prompt, four bytes a token."""
        if self._marks is None:
            ends: list[int] = []
            limit = self.prompt_tokens * BYTES_PER_TOKEN
            for end in ENDS:
                if end > limit:
                    break
                ends.append(end // BYTES_PER_TOKEN)
            if not ends or ends[-1] < self.prompt_tokens:
                ends.append(self.prompt_tokens)
            self._marks = Prompt(self.hashes(ends), limit)
        return self._marks

    def blocks(self, tokens: int) -> tuple[int, ...]:
        """Return the hash of every whole block of `tokens` tokens, each over all before it."""
        return self.hashes(range(tokens, self.prompt_tokens + 1, tokens))

    def hashes(self, ends: Iterable[int]) -> tuple[int, ...]:
        """Return the hash of the prompt's first tokens, for each of the ascending `ends`."""
        found: list[int] = []
        parts = iter(self.spans)
        span = next(parts)
        for end in ends:
            while span.start + span.tokens < end:
                span = next(parts)
            found.append(hash((span.chain, end - span.start)) & MASK)
        return tuple(found)
