"""What a simulated run comes to: throughput, latencies, cache hits and money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from logits_core.simulation.engine import Engine
from logits_core.simulation.profiles import Profile


class Record(NamedTuple):
    """One request's story; times in seconds, the rest in tokens."""

    arrival: float
    first: float
    end: float
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    engine: int
    stage: int
    failed: bool

    @property
    def first_token_seconds(self) -> float:
        """From the arrival at the router to the first token there."""
        return self.first - self.arrival

    @property
    def token_seconds(self) -> float:
        """Mean time between two tokens."""
        return (self.end - self.first) / max(1, self.output_tokens - 1)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie, by nearest rank; 0.0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.5) - 1))]


def mean(values: Iterable[float]) -> float:
    """Return the arithmetic mean; 0.0 of none."""
    kept = list(values)
    return sum(kept) / len(kept) if kept else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a run or of a part of it.

    Attributes:
        requests: Complete ones.
        failed: Others.
        seconds: From the first arrival to the last end.
        output_rate: Output tokens a second.
        first_mean, first_p50, first_p90, first_p99: Seconds to the first token.
        token_p50, token_p99: Seconds between tokens, of requests' means.
        hit_share: Prompt tokens that came from a cache, share of all.
        dollars: For a million tokens, prompt and output together, at the profiles' hourly prices.
    """

    requests: int
    failed: int
    seconds: float
    output_rate: float
    first_mean: float
    first_p50: float
    first_p90: float
    first_p99: float
    token_p50: float
    token_p99: float
    hit_share: float
    dollars: float


@dataclass(slots=True)
class Outcome:
    """All records of a run.

    Attributes:
        profiles: The engines.
        records: One for each request, in the order in which they ended.
        ended: When the run ended, seconds.
        preemptions: Of all engines.
    """

    profiles: Sequence[Profile]
    records: list[Record] = field(default_factory=list[Record])
    ended: float = 0.0
    preemptions: int = 0

    def close(self, now: float, engines: Iterable[Engine]) -> None:
        """Note the end of the run."""
        self.ended = now
        self.preemptions = sum(engine.preemptions for engine in engines)

    def stage(self, number: int) -> Summary:
        """Return the figures of one stage."""
        return self.summary([record for record in self.records if record.stage == number])

    def summary(self, records: Sequence[Record] | None = None) -> Summary:
        """Return the figures of some records, all of them by default."""
        chosen = self.records if records is None else records
        good = [record for record in chosen if not record.failed]
        firsts = [record.first_token_seconds for record in good]
        paces = [record.token_seconds for record in good]
        seconds = max((r.end for r in good), default=0.0) - min((r.arrival for r in good), default=0.0)
        prompt = sum(record.prompt_tokens for record in good)
        output = sum(record.output_tokens for record in good)
        cost = sum(profile.hourly for profile in self.profiles) / 3600 * seconds
        return Summary(
            requests=len(good),
            failed=len(chosen) - len(good),
            seconds=seconds,
            output_rate=output / seconds if seconds else 0.0,
            first_mean=mean(firsts),
            first_p50=percentile(firsts, 0.5),
            first_p90=percentile(firsts, 0.9),
            first_p99=percentile(firsts, 0.99),
            token_p50=percentile(paces, 0.5),
            token_p99=percentile(paces, 0.99),
            hit_share=sum(record.cached_tokens for record in good) / prompt if prompt else 0.0,
            dollars=cost / (prompt + output) * 1e6 if prompt + output else 0.0,
        )
