"""A simulated engine: continuous batching with chunked prefill, a prefix cache, admission and preemption.

It schedules as vLLM does: running requests first, then waiting ones in order, while the step has room for
tokens and the cache for blocks; when decoding runs out of blocks, the request admitted last gives way and is
computed again. Steps without prefill are taken many at a time, which changes nothing but speed.
"""

from __future__ import annotations

import math
from collections import deque
from heapq import heappop, heappush
from typing import Any

from logits_core.simulation.cache import BlockCache, Node
from logits_core.simulation.profiles import BLOCK, Profile
from logits_core.simulation.requests import Request, Span, chained


class Sequence:
    """One request inside an engine.

    Attributes:
        request: What is asked.
        ticket: A number that no other request in this engine has.
        caller: What the caller wants back with every event.
        cached: Prompt tokens that were not computed, at its first admission; -1 before.
        started: Whether its first token is out.
    """

    __slots__ = (
        "answer", "cached", "caller", "computed", "decoding", "finish", "generated", "nodes", "offset", "request",
        "started", "ticket",
    )  # fmt: skip

    def __init__(self, request: Request, ticket: int, caller: Any = None) -> None:
        self.request = request
        self.ticket = ticket
        self.caller = caller
        self.cached = -1
        self.started = False
        self.generated = 0
        self.computed = 0
        self.decoding = False
        self.finish = 0
        self.offset = 0
        self.nodes: list[Node] = []
        last = request.spans[-1]
        self.answer = Span(chained(last.chain, request.answer), request.prompt_tokens, request.output_tokens)

    @property
    def target(self) -> int:
        """Tokens to compute before it decodes: the prompt, and after a preemption what it had generated."""
        return self.request.prompt_tokens + self.generated


class Engine:
    """One engine.

    Args:
        profile: Its speed and room.

    Attributes:
        end: When what it does now ends; None while it's idle.
        cache: Its blocks.
        waiting: Requests that it has not admitted.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.cache = BlockCache(profile.blocks)
        self.waiting: deque[Sequence] = deque()
        self.end: float | None = None
        self.preemptions = 0
        self._figures = self._published = (0, 0, 0.0)
        self._running: dict[int, Sequence] = {}
        self._prefilling: list[Sequence] = []
        self._chunks: list[tuple[Sequence, int]] = []
        self._finishing: list[tuple[int, int, Sequence]] = []
        self._decoding = 0
        self._step = 0
        self._offsets = 0
        self._phases = [0] * BLOCK
        self._begin = 0.0
        self._leap = 0

    @property
    def running(self) -> int:
        """Requests that it has admitted."""
        return len(self._running)

    @property
    def figures(self) -> tuple[int, int, float]:
        """What its metrics say: running, waiting, share of the cache in use, as the last whole step began."""
        return self._figures if self._leap > 1 else self._published

    @property
    def context(self) -> int:
        """Tokens of context that its decoding requests read in a step."""
        return self._offsets + self._decoding * self._step

    def backlog(self) -> list[tuple[int, int]]:
        """Return the prompts that it has still to read: tokens that it has of each, and tokens that are left."""
        half = [(each.computed, each.target - each.computed) for each in self._prefilling]
        whole = [(cached, each.target - cached) for each in self.waiting for cached in (self._cached(each),)]
        return half + whole

    def submit(self, sequence: Sequence, now: float) -> bool:
        """Take a request; False when its queue is full or the request can never fit.

        What the engine does now may end earlier than it said before.
        """
        whole = sequence.request.prompt_tokens + sequence.request.output_tokens
        if len(self.waiting) >= self.profile.queue or whole + BLOCK > self.profile.cache_tokens:
            return False
        self.waiting.append(sequence)
        if self.end is None:
            self._plan(now)
        elif self._leap > 1:
            self._cut(now)
        return True

    def finish(self) -> tuple[list[Sequence], list[Sequence]]:
        """End what it does now and begin what comes next.

        Returns:
            The requests whose first token came out, and those that are complete.
        """
        now = self.end or 0.0
        first: list[Sequence] = []
        done: list[Sequence] = []
        self._published = self._figures
        self._advance(done)
        for sequence, tokens in self._chunks:
            sequence.computed += tokens
            if sequence.computed == sequence.target:
                self._emit(sequence, first, done)
        self._plan(now)
        return first, done

    def fail(self) -> list[Sequence]:
        """Lose everything: returns what was there."""
        lost = [*self._running.values(), *self.waiting]
        self.waiting.clear()
        self.cache.clear()
        self._running.clear()
        self._prefilling.clear()
        self._chunks = []
        self._finishing.clear()
        self._decoding = self._offsets = self._leap = 0
        self._phases = [0] * BLOCK
        self._figures = self._published = (0, 0, 0.0)
        self.end = None
        return lost

    # -- what a step does --------------------------------------------------------------------------------------

    def _emit(self, sequence: Sequence, first: list[Sequence], done: list[Sequence]) -> None:
        self._prefilling.remove(sequence)
        sequence.generated += 1
        if not sequence.started:
            sequence.started = True
            first.append(sequence)
        sequence.decoding = True
        length = sequence.request.prompt_tokens + sequence.generated
        sequence.offset = length - self._step
        self._decoding += 1
        self._offsets += sequence.offset
        self._phases[sequence.offset % BLOCK] += 1
        # The new token's own block, when it begins one.
        if length % BLOCK == 1 and not self.cache.take(1):
            self._preempt(sequence, missing=1)
            return
        remaining = sequence.request.output_tokens - sequence.generated
        sequence.finish = self._step + remaining
        if remaining <= 0:
            self._complete(sequence, done)
        else:
            heappush(self._finishing, (sequence.finish, sequence.ticket, sequence))

    def _advance(self, done: list[Sequence]) -> None:
        steps, self._leap = self._leap, 0
        if not self._decoding or not steps:
            return
        # `_plan` has made sure that they fit.
        self.cache.take(self._growth(steps))
        self._step += steps
        while self._finishing and self._finishing[0][0] <= self._step:
            finish, _, sequence = heappop(self._finishing)
            if sequence.decoding and sequence.finish == finish:
                sequence.generated = sequence.request.output_tokens
                self._complete(sequence, done)

    def _complete(self, sequence: Sequence, done: list[Sequence]) -> None:
        self._stop_decoding(sequence)
        self._release(sequence, sequence.request.prompt_tokens + sequence.generated)
        done.append(sequence)

    def _stop_decoding(self, sequence: Sequence) -> None:
        sequence.decoding = False
        self._decoding -= 1
        self._offsets -= sequence.offset
        self._phases[sequence.offset % BLOCK] -= 1

    def _release(self, sequence: Sequence, length: int, missing: int = 0) -> None:
        """Free a request's blocks; whole blocks stay as cache. `length` is 0 while its prompt isn't computed."""
        del self._running[sequence.ticket]
        if length:
            answer = sequence.nodes[-1]
            charged = -(-length // BLOCK) - answer.first - missing
            answer.held = max(0, (length - 1) // BLOCK - answer.first)
            self.cache.give(charged - answer.held)
        self.cache.leave(sequence.nodes)
        sequence.nodes = []

    def _preempt(self, sequence: Sequence, missing: int = 0) -> None:
        self.preemptions += 1
        if sequence.decoding:
            length = sequence.offset + self._step
            sequence.generated = length - sequence.request.prompt_tokens
            self._stop_decoding(sequence)
            self._release(sequence, length, missing)
        else:
            self._prefilling.remove(sequence)
            self._release(sequence, 0)
        sequence.computed = 0
        self.waiting.appendleft(sequence)

    def _growth(self, steps: int) -> int:
        """Blocks that decoding begins in the next steps: a request begins one at every 16th token."""
        rounds, rest = divmod(steps, BLOCK)
        need = rounds * self._decoding
        for step in range(1, rest + 1):
            need += self._phases[(1 - self._step - step) % BLOCK]
        return need

    # -- what comes next ---------------------------------------------------------------------------------------

    def _plan(self, now: float) -> None:
        self._chunks = []
        self._schedule()
        while self._prefilling and not self._chunks and not self._decoding:
            # Prompts that are half read hold all blocks: the last one gives way to the first.
            self._preempt(next(reversed(self._running.values())))
            self._schedule()
        self._begin = now
        if self._chunks:
            self._leap = 1
            self.end = now + self._prefill_seconds()
        elif self._decoding:
            self._leap = self._longest_leap()
            self.end = now + self._decode_seconds(self._leap)
        else:
            self.end = None
            self._published = (0, 0, 0.0)
        self._figures = (len(self._running), len(self.waiting), self.cache.usage)

    def _schedule(self) -> None:
        # Decoding comes first: the request admitted last gives way when there is no room for one step.
        while self._decoding and self._growth(1) > self.cache.available:
            self._preempt(next(reversed(self._running.values())))
        reserved = self._growth(1) if self._decoding else 0
        budget = self.profile.step_tokens - self._decoding
        for sequence in self._prefilling:
            budget -= self._chunk(sequence, budget, reserved)
        if len(self._prefilling) == len(self._chunks):
            self._admit(budget, reserved)

    def _admit(self, budget: int, reserved: int) -> None:
        while self.waiting and budget > 0 and len(self._running) < self.profile.sequences:
            sequence = self.waiting[0]
            cached = self._cached(sequence)
            sequence.nodes = self.cache.hold((*sequence.request.spans, sequence.answer))
            sequence.computed = cached
            self._running[sequence.ticket] = sequence
            self._prefilling.append(sequence)
            used = self._chunk(sequence, budget, reserved)
            if not used:
                self._prefilling.pop()
                del self._running[sequence.ticket]
                self.cache.leave(sequence.nodes)
                sequence.nodes = []
                return
            self.waiting.popleft()
            if sequence.cached < 0:
                sequence.cached = cached
            budget -= used

    def _cached(self, sequence: Sequence) -> int:
        # The last token is always computed: its output is the next one.
        matched = self.cache.matched((*sequence.request.spans, sequence.answer))
        return min(matched, (sequence.target - 1) // BLOCK * BLOCK)

    def _chunk(self, sequence: Sequence, budget: int, reserved: int) -> int:
        """Schedule a prompt's next tokens; returns how many, 0 when neither tokens nor blocks are left."""
        tokens = min(budget, sequence.target - sequence.computed)
        if tokens <= 0:
            return 0
        end = sequence.computed + tokens
        need = self.cache.missing(sequence.nodes, sequence.computed, end)
        if end == sequence.target and end % BLOCK:
            need += 1
        if need + reserved > self.cache.available or not self.cache.take(need):
            return 0
        self.cache.fill(sequence.nodes, end)
        self._chunks.append((sequence, tokens))
        return tokens

    def _prefill_seconds(self) -> float:
        profile = self.profile
        tokens = pairs = 0
        for sequence, chunk in self._chunks:
            tokens += chunk
            pairs += chunk * (2 * sequence.computed + chunk)
        return (
            profile.fixed
            + profile.per_request * (self._decoding + len(self._chunks))
            + profile.per_context * self.context
            + max(profile.weights, profile.per_prompt_token * tokens)
            + profile.attention * pairs
        )

    def _decode_seconds(self, steps: int) -> float:
        profile, count = self.profile, self._decoding
        one = profile.fixed + profile.weights + profile.per_request * count + profile.per_context * self.context
        return steps * one + profile.per_context * count * steps * (steps - 1) / 2

    def _longest_leap(self) -> int:
        while self._finishing:
            finish, _, sequence = self._finishing[0]
            if sequence.decoding and sequence.finish == finish:
                break
            heappop(self._finishing)
        steps = self._finishing[0][0] - self._step
        available = self.cache.available
        while steps > 1 and self._growth(steps) > available:
            steps //= 2
        return steps

    def _cut(self, now: float) -> None:
        """End a leap with the step that is under way."""
        profile, count = self.profile, self._decoding
        one = profile.fixed + profile.weights + profile.per_request * count + profile.per_context * self.context
        slope = profile.per_context * count
        elapsed = now - self._begin
        half = one - slope / 2
        done = (math.sqrt(half * half + 2 * slope * elapsed) - half) / slope if slope else elapsed / one
        self._leap = max(1, min(self._leap, math.ceil(done - 1e-9)))
        self.end = self._begin + self._decode_seconds(self._leap)
