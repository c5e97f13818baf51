"""How is a metric of counts kept: a number for each of a few names?

Touches a Prometheus registry, which asks whenever somebody scrapes. It shows what a counter with
labels does; counting costs a fifth, which counts where it is done for every message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Occurrences(Collector):
    """A number for each name, or each pair of names. They come from the settings, never from mail.

    Args:
        metric: its name, with ``_total`` at its end.
        documentation: one line for whoever reads it.
        labels: of the names.
        registry: where it is shown.
    """

    def __init__(
        self,
        metric: str,
        documentation: str,
        labels: Sequence[str],
        *,
        registry: CollectorRegistry,
    ) -> None:
        self._metric = metric
        self._documentation = documentation
        self._labels = labels
        self._counts: dict[tuple[str, ...], int] = {}
        registry.register(self)

    def count(self, *names: str) -> None:
        """Count one more; a name that was never counted has no line."""
        if names not in self._counts:
            self._counts[names] = 0
        self._counts[names] += 1

    def collect(self) -> Iterable[Metric]:
        """Return the numbers as they stand."""
        shown = CounterMetricFamily(self._metric, self._documentation, labels=self._labels)
        for names, count in self._counts.items():
            shown.add_metric([str(name) for name in names], count)
        return [shown]
