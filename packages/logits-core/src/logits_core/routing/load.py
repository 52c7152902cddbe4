"""The load account of one endpoint: what is reserved there, and how fast it has shown itself to be."""

from __future__ import annotations

from logits_core.routing.endpoint import Usage
from logits_core.routing.speed import Average, Factor, Line

PREFILL_SECONDS = 4e-5
"""Seconds per prompt token that isn't cached, until an endpoint has shown its own: an 8B to 32B model on an H100."""

STEP_SECONDS = 8e-3
CONTEXT_SECONDS = 8e-8
"""Seconds of a decoding step, and what each token of context adds, until an endpoint has shown its own."""

CHUNK_TOKENS = 8192
"""Prompt tokens that engines usually read in one step: what is under way slows each of these steps down."""

ATTENTION_TOKENS = 48_000
"""Context at which attention costs as much as all else in prefill: 0.0202 ms / 4.2e-7 ms per token."""

WORTH_LEARNING = 1024
"""Prompt tokens of work below which one first byte says nothing about the speed of reading; many of them still do."""

USUAL_SHORT = 100.0
"""Work of a usual one of these shorter prompts."""

ENOUGH = 25.0
"""Short prompts without which their line says nothing: a few that waited for something unseen would bend it."""

CERTAIN_STEPS = 16.0
"""Steps of decoding that reading a usual one has to outlast for the speed that they show to count in full."""

WORTH_STEPS = 2.0
"""Steps of decoding that a prompt has to outlast before its first token says anything about reading."""

FARTHEST = 4.0
"""No answer counts as slower or faster than so many times what was expected."""

FULL = 0.9
"""Share of the cache in use above which what is slow waited for room, which says nothing about reading."""

LEAST_SECONDS = 1e-9
LEARNING = 0.05
SHARING = 0.05
NEVER = float("inf")

BURDEN = 0.03
"""What a second that others' answers take longer counts against a second of this request's wait.

More of it evens out the engines' batches, which gives smoother streams and, near saturation, more throughput;
less of it keeps prompts nearer to where they are cached, which gives earlier first tokens.
"""

REUSE = 2.0
"""What the room that a prompt takes counts, against reading it: what is read anew pushes out something else, which
is wanted again as often as anything is. More of it keeps prompts at their places when the cache is short.
"""


def work(cached: float, uncached: float) -> float:
    """Return a prefill's work, in tokens of a short prompt: attention makes late tokens dearer."""
    return uncached * (1.0 + (2.0 * cached + uncached) / ATTENTION_TOKENS)


class Habits:
    """What a model's requests have turned out to be like, learned from answers.

    Attributes:
        bytes_per_token: Of prompts.
        completion_tokens: Of an answer, on average.
        context_tokens: Of a prompt and half its answer, on average.
        reuse: Share of prompts that was cached.
        unread: Work of its prompt that a request under way has still to do, on average over its time.
    """

    __slots__ = ("bytes_per_token", "completion_tokens", "context_tokens", "reuse", "unread")

    def __init__(self) -> None:
        self.bytes_per_token = 4.0
        self.completion_tokens = 300.0
        self.context_tokens = 1000.0
        self.reuse = 0.0
        self.unread = 0.0

    def learn(self, usage: Usage, size: int) -> None:
        """Take in an answer to a prompt of `size` bytes, 0 when its size is unknown."""
        if usage.prompt_tokens > 0 and size > 0:
            self.bytes_per_token += LEARNING * (min(64.0, size / usage.prompt_tokens) - self.bytes_per_token)
        if usage.prompt_tokens > 0 and usage.cached_tokens is not None:
            self.reuse += LEARNING * (min(1.0, usage.cached_tokens / usage.prompt_tokens) - self.reuse)
        if usage.completion_tokens > 0:
            self.completion_tokens += LEARNING * (usage.completion_tokens - self.completion_tokens)
            context = usage.prompt_tokens + 0.5 * usage.completion_tokens
            self.context_tokens += LEARNING * (context - self.context_tokens)


class Speeds:
    """How fast a model's endpoints are on the whole.

    Attributes:
        reading: Seconds for a token of prefill work.
        pace: Seconds of a decoding step, by the context under way.
        short: Seconds to a short prompt's first token, by its work: whatever delays them all alike isn't its slope.
    """

    __slots__ = ("pace", "reading", "short")

    def __init__(self) -> None:
        self.reading = Average(PREFILL_SECONDS)
        self.pace = Line(STEP_SECONDS, CONTEXT_SECONDS, 100_000.0)
        self.short = Line(STEP_SECONDS, PREFILL_SECONDS, USUAL_SHORT)


class Load:
    """What one router has under way at one endpoint, what the endpoint reports, and its learned speed.

    What another request would cost there is kept as four prices, brought up to date by every event there, so that
    comparing endpoints is a few multiplications for each.

    Args:
        speeds: Those of its fleet.
        habits: Those of its fleet.
        slots: Requests that the engine works on at once, 0 when it doesn't say.
        capacity: Requests of this router that may be there at once.

    Attributes:
        in_flight: Requests of this router.
        others: Requests of other routers, as far as reports tell.
        requests: All of them.
        share: Share of its requests that were this router's, on average.
        context: Tokens of this router's requests and of their expected answers.
        whole_context: The same with what other routers' requests usually have.
        reading: How many times slower than its fleet it reads prompts.
        pace: How many times slower than its fleet it decodes.
        step: Seconds of a decoding step there.
        busy_until: When this router's prompts that are there will have been read.
        due: When the first of them is late.
        pending_seconds: How long reading them takes, all together.
        queue: Seconds that what is ahead and isn't this router's takes.
        fixed: Price of any request, seconds.
        per_token: Price of each token of its prompt.
        per_missing: Price of each of them that has to be read.
        per_pair: Price of each of these for each token of the prompt and each that is held.
    """

    __slots__ = (
        "_habits", "_pending", "_per_work", "_shared", "_speeds", "_usage", "busy_until", "capacity", "context", "due",
        "fixed", "in_flight", "others", "pace", "pending_seconds", "per_missing", "per_pair", "per_token", "queue",
        "reading", "requests", "share", "slots", "step", "whole_context",
    )  # fmt: skip

    def __init__(self, speeds: Speeds, habits: Habits, slots: int = 0, capacity: int = 64) -> None:
        self.slots = slots
        self.capacity = capacity
        self.in_flight = 0
        self.others = 0.0
        self.share = 1.0
        self.context = 0.0
        self.reading = Factor()
        self.pace = Factor()
        self._speeds = speeds
        self._habits = habits
        self._pending: dict[int, tuple[float, float, float, float]] = {}
        self.pending_seconds = 0.0
        self.busy_until = 0.0
        self.due = NEVER
        self._usage = 0.0
        self.refresh()

    def refresh(self) -> None:
        """Bring the prices up to date."""
        habits, line, factor = self._habits, self._speeds.pace, self.pace.value
        others = self.others
        self.requests = requests = self.in_flight + others
        self.whole_context = context = self.context + others * habits.context_tokens
        slowdown = line.slope * factor
        # Answers under way share the steps of reading, and the more context they have, the longer each step takes.
        self._per_work = reading = self._speeds.reading.value * self.reading.value
        self._shared = shared = slowdown * context / CHUNK_TOKENS
        self.step = step = line.intercept * factor + slowdown * context
        self.queue = others * habits.unread * (reading + shared)
        if 0 < self.slots <= requests:
            self.queue += (requests - self.slots + 1.0) / self.slots * habits.completion_tokens * step
        held_up = 1.0 + BURDEN * requests
        self.per_token = BURDEN * habits.completion_tokens * slowdown
        self.fixed = self.queue + held_up * step + self.per_token * context
        self.per_missing = (held_up + REUSE * habits.reuse) * (reading + shared)
        self.per_pair = (held_up + REUSE * habits.reuse) * reading / ATTENTION_TOKENS

    @property
    def reads(self) -> bool:
        """Whether a prompt of this router's is there that hasn't been read."""
        return bool(self._pending)

    def wait(self, now: float) -> float:
        """Return the seconds until this router's prompts that are there have been read.

        When the first of them is late, something unseen holds it up, as a lack of memory does, and that lasts
        as long again as it has lasted, as far as anybody can know.
        """
        if now > self.due:
            return self.pending_seconds + now - self.due
        return self.busy_until - now if self.busy_until > now else 0.0

    def price(self, tokens: float, held: float, now: float) -> float:
        """Return what a prompt would cost there, seconds for itself and for others, when so much of it is held."""
        reading = (tokens - held) * (self.per_missing + self.per_pair * (held + tokens))
        return self.fixed + self.per_token * tokens + reading + self.wait(now)

    def seconds(self, amount: float, uncached: float) -> float:
        """Return how long reading takes: its work, and the answers that share its steps."""
        return amount * self._per_work + uncached * self._shared

    def add(self, number: int, uncached: float, amount: float, *, context: float, now: float) -> None:
        """Account a reservation from its decision on.

        Args:
            number: The reservation's.
            uncached: Prompt tokens that have to be read.
            amount: Work of reading them, see `work`.
            context: Tokens of its prompt and expected answer.
            now: The caller's clock, seconds.
        """
        seconds = amount * self._per_work + uncached * self._shared
        pending = self._pending
        pending[number] = (seconds, self.wait(now) + seconds, amount, now)
        self.pending_seconds += seconds
        busy = self.busy_until
        self.busy_until = busy = (now if now > busy else busy) + seconds
        if len(pending) == 1:
            self.due = busy + self._grace()
        self.in_flight += 1
        self.context += context
        self.refresh()

    def read(self, number: int, now: float, *, learn: bool = True) -> None:
        """Note that a prompt has been read, or with `learn` off that it never will be."""
        known = self._pending.pop(number, None)
        if known is None:
            return
        seconds, expected, amount, since = known
        step = self.step
        if learn and amount > WORTH_LEARNING and max(expected, amount * PREFILL_SECONDS) > WORTH_STEPS * step:
            self._learn(max(0.0, now - since - step) / expected, min(1.0, amount / CHUNK_TOKENS))
            self.refresh()
        if self._pending:
            self.pending_seconds = max(0.0, self.pending_seconds - seconds)
            self.due = now + next(iter(self._pending.values()))[0] + self._grace()
        else:
            self.pending_seconds, self.due = 0.0, NEVER
        self.busy_until = now + self.pending_seconds

    def _grace(self) -> float:
        """Seconds by which no first token is late: the step under way and its own."""
        return 2.0 * self.step

    def _learn(self, ratio: float, weight: float) -> None:
        ratio = min(FARTHEST, max(1.0 / FARTHEST, ratio))
        if ratio > 1.0:
            if self._usage > FULL:
                return
            # The more requests are others', the more likely it waited for something unseen.
            weight *= (self.in_flight / self.requests) ** 2
        factor = self.reading.value
        self.reading.add(factor * ratio, weight)
        self._speeds.reading.add(self._speeds.reading.value * ratio, weight)

    def first_token(self, amount: float, seconds: float) -> None:
        """Take in how long the first token of a prompt took that nothing of this router's was ahead of.

        Args:
            amount: Work of reading what wasn't cached, as the engine says.
            seconds: From the decision on.
        """
        if amount > WORTH_LEARNING or self._usage > FULL:
            return
        line, reading = self._speeds.short, self._speeds.reading
        line.add(amount, min(seconds, FARTHEST * line.at(amount)))
        # In steps of the same engine, not in tokens: reading a hundred is lost in what else happens on a GPU, but is
        # most of what a processor does.
        steps = USUAL_SHORT * line.slope / max(LEAST_SECONDS, self._speeds.pace.at(self.whole_context))
        if steps > WORTH_STEPS and line.weight > ENOUGH:
            reading.add(line.slope, min(1.0, steps / CERTAIN_STEPS))

    def decoded(self, context: float, seconds: float) -> None:
        """Take in how long an answer's tokens took, seconds for each, with so much context under way."""
        factor, expected = self.pace.value, max(LEAST_SECONDS, self._speeds.pace.at(context))
        alike = min(FARTHEST * expected, seconds / factor)
        self._speeds.pace.add(context, alike)
        self.pace.add(alike * factor / expected, 1.0)

    def drop(self, context: float) -> None:
        """Account the end of a reservation."""
        self.in_flight -= 1
        self.context = max(0.0, self.context - context) if self.in_flight else 0.0
        self.refresh()

    def report(self, requests: float, usage: float | None, now: float) -> None:
        """Take in how many requests the endpoint says it has, all routers together, and the cache they use."""
        self.reading.fade(now)
        self.pace.fade(now)
        others = max(0.0, requests - self.in_flight)
        # Fewer are believed at once: load that has gone would send prompts away from where they are cached.
        self.others = others if others < self.others else 0.5 * (self.others + others)
        if usage is not None:
            self._usage = usage
        self.refresh()
        if self.requests:
            self.share += SHARING * (self.in_flight / self.requests - self.share)

    def restart(self) -> None:
        """Forget queued work: the engine has begun anew."""
        self._pending.clear()
        self.pending_seconds = self.busy_until = self._usage = 0.0
        self.due = NEVER
