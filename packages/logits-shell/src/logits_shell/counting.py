"""Counting on the hot path: a count costs an addition, and Prometheus is told only when it asks."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString  # pyright: ignore[reportUnknownVariableType]


class Count:
    """One count; everything here runs in one thread, so nothing is locked."""

    __slots__ = ("created", "value")

    def __init__(self) -> None:
        self.value = 0
        self.created = time.time()

    def inc(self) -> None:
        """Count one more."""
        self.value += 1


class Counter(Collector):
    """Counts by label; whoever counts often keeps what `labels` returned.

    Args:
        name: Without `_total`.
        documentation: What is counted.
        labels: Their names, none for a single count.
        registry: Shows it.
    """

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str] = (), *, registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = tuple(labels)
        self._counts: dict[tuple[str, ...], Count] = {} if labels else {(): Count()}
        registry.register(self)

    def inc(self) -> None:
        """Count one more where there are no labels."""
        self._counts[()].inc()

    def labels(self, *values: str) -> Count:
        """Return the count with these labels."""
        count = self._counts.get(values)
        if count is None:
            count = self._counts[values] = Count()
        return count

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Return the metric without its figures."""
        yield CounterMetricFamily(self._name, self._documentation, labels=self._labels)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Return the metric with its figures."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric(values, count.value, count.created)
        yield family


class Histogram(Collector):
    """Counts values by how large they are.

    Args:
        name: Its name.
        documentation: What is measured.
        buckets: Their upper bounds, ascending; what is above the last one has a bucket of its own.
        registry: Shows it.
    """

    def __init__(self, name: str, documentation: str, *, buckets: Sequence[float], registry: CollectorRegistry) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = tuple(buckets)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Return the metric without its figures."""
        yield HistogramMetricFamily(self._name, self._documentation)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the metric with its figures."""
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append((floatToGoString(bound), total))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=buckets, sum_value=self._sum)
