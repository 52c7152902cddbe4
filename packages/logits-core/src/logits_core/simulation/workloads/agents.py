"""Multi-turn agents: long conversations with think times over a shared beginning of system prompt and tools."""

from __future__ import annotations

from dataclasses import dataclass, field

from logits_core.simulation.chances import exponential, lognormal, poisson
from logits_core.simulation.policy import Chance
from logits_core.simulation.requests import Request, spans


@dataclass(slots=True)
class _Session:
    kind: int
    parts: list[tuple[int, int]]
    turns: int


@dataclass(slots=True)
class Agents:
    """Sessions arrive at random; each turn's prompt holds all before it, and the next one follows a pause.

    Attributes:
        rate: Sessions a second.
        seconds: How long sessions arrive.
        turns: Mean turns of a session, geometrically distributed, at least two.
        kinds: Different agents; each has its own system prompt and tools.
        system_tokens: Length of these.
        message_tokens: Median length of what a turn adds (user message or tool result), log-normal.
        output_tokens: Median length of an answer, log-normal.
        think_seconds: Mean pause between an answer and the next turn, exponential.
        context_tokens: Where a session ends at the latest.
        adapters: LoRA adapters; sessions use one each, 0 for none.
    """

    rate: float
    seconds: float
    turns: float = 10.0
    kinds: int = 3
    system_tokens: int = 6000
    message_tokens: float = 400.0
    output_tokens: float = 250.0
    think_seconds: float = 15.0
    context_tokens: int = 60_000
    adapters: int = 0
    _sessions: dict[int, _Session] = field(default_factory=dict[int, _Session], init=False)
    _contents: int = field(default=0, init=False)

    def start(self, chance: Chance) -> list[Request]:
        """Return every session's first turn."""
        self._sessions.clear()
        self._contents = 0
        found: list[Request] = []
        for number, at in enumerate(poisson(chance, self.rate, 0.0, self.seconds), 1):
            kind = int(chance() * self.kinds)
            turns = 2 + int(exponential(chance, max(0.1, self.turns - 2)))
            self._sessions[number] = _Session(kind, [(1 + kind, self.system_tokens)], turns)
            found.append(self._turn(number, at, chance))
        return found

    def after(self, request: Request, now: float, chance: Chance) -> list[Request]:
        """Return the session's next turn."""
        session = self._sessions[request.session]
        session.parts.append((request.answer, request.output_tokens))
        session.turns -= 1
        if session.turns <= 0 or sum(tokens for _, tokens in session.parts) > self.context_tokens:
            del self._sessions[request.session]
            return []
        return [self._turn(request.session, now + exponential(chance, self.think_seconds), chance)]

    def _turn(self, number: int, at: float, chance: Chance) -> Request:
        session = self._sessions[number]
        self._contents += 2
        length = 1 + int(min(8000.0, lognormal(chance, self.message_tokens, 0.9)))
        session.parts.append((-self._contents, length))
        output = 1 + int(min(2000.0, lognormal(chance, self.output_tokens, 0.7)))
        adapter = 1 + number % self.adapters if self.adapters else 0
        prompt = spans(session.parts, adapter)
        first = prompt[min(1, len(prompt) - 1)].chain
        return Request(
            at, prompt, output,
            answer=-self._contents - 1, session=number, adapter=adapter, first_message=first, stage=session.kind,
        )  # fmt: skip
