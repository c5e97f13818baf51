"""How are the counts of one worker, for whoever watches many nodes?

Touches a Prometheus registry, which asks whenever somebody scrapes. No key is ever a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from satellite.tallies.shared_tallies import TalliesStatus


class TalliesMetrics(Collector):
    """The numbers of one worker's tallies.

    Args:
        status: returns how they are now.
        registry: where they are collected.
    """

    def __init__(self, status: Callable[[], TalliesStatus], registry: CollectorRegistry) -> None:
        self._status = status
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return the numbers as they are now."""
        status = self._status()
        return [
            GaugeMetricFamily(
                "borderscout_tallies_of_all_sites",
                "1 while counts are summed over all sites, 0 while each worker goes by its own",
                value=float(status.is_of_all_sites),
            ),
            GaugeMetricFamily(
                "borderscout_tallies_keys", "Things that are counted here", value=status.keys
            ),
            GaugeMetricFamily(
                "borderscout_tallies_keys_of_others",
                "Things that others count, as the core tells",
                value=status.keys_of_others,
            ),
            GaugeMetricFamily(
                "borderscout_tallies_cells",
                "Cells of all these counts, which bound their memory",
                value=status.cells,
            ),
            GaugeMetricFamily(
                "borderscout_tallies_untold",
                "Things whose counts the core is still to be told",
                value=status.untold,
            ),
            CounterMetricFamily(
                "borderscout_tallies_given_way",
                "Counts that had to make room, and are estimated since",
                value=status.given_way,
            ),
        ]
