"""How is a metric of durations kept: a histogram for each of a few names?

Touches a Prometheus registry, which asks whenever somebody scrapes. It shows what a histogram with
one label does; noting a time costs a tenth, which counts where it is done for every message.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Durations(Collector):
    """A histogram for each name. Names come from the settings, never from mail.

    Args:
        metric: its name.
        documentation: one line for whoever reads it.
        label: of the name.
        bounds_s: the upper bounds of the buckets, in seconds, growing; one without end follows.
        registry: where it is shown.
    """

    def __init__(
        self,
        metric: str,
        documentation: str,
        *,
        label: str,
        bounds_s: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._metric = metric
        self._documentation = documentation
        self._label = label
        self._bounds_s = tuple(bounds_s)
        self._counts: dict[str, list[int]] = {}
        self._sums_s: dict[str, float] = {}
        registry.register(self)

    def took(self, name: str, seconds: float) -> None:
        """Note that something of this name took so long."""
        if name not in self._counts:
            self._counts[name] = [0] * (len(self._bounds_s) + 1)
            self._sums_s[name] = 0.0
        self._counts[name][bisect_left(self._bounds_s, seconds)] += 1
        self._sums_s[name] += seconds

    def collect(self) -> Iterable[Metric]:
        """Return the histogram as it stands."""
        shown = HistogramMetricFamily(self._metric, self._documentation, labels=[self._label])
        ends = (*self._bounds_s, float("inf"))
        bounds = [str(floatToGoString(end)) for end in ends]  # type: ignore[no-untyped-call]
        for name, counts in self._counts.items():
            buckets = list(zip(bounds, accumulate(counts), strict=True))
            shown.add_metric([name], buckets, self._sums_s[name])
        return [shown]
