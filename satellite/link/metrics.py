"""How is the link to the core, for whoever watches many nodes?

Touches a Prometheus registry, which asks whenever somebody scrapes. What is not known has no
sample: a lag of 0 says that the core was heard just now and has nothing newer (G7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from satellite.link.status import LinkStatus


class LinkMetrics(Collector):
    """The numbers of one shard's link.

    Args:
        status: returns how the link is now.
        registry: where they are collected.
    """

    def __init__(self, status: Callable[[], LinkStatus], registry: CollectorRegistry) -> None:
        self._status = status
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return the numbers as they are now."""
        status = self._status()
        reconnects = CounterMetricFamily(
            "borderscout_link_reconnects",
            "Times that a stream to the core ended and was opened again",
            labels=["stream"],
        )
        for stream, count in status.reconnects.items():
            reconnects.add_metric([stream], count)
        core = GaugeMetricFamily(
            "borderscout_link_core",
            "1 while the core is heard at this address, 0 while it is only dialled there",
            labels=["address", "standby"],
        )
        core.add_metric([status.core, _yes(status.is_standby)], float(status.connected))
        return [
            core,
            _gauge(
                "borderscout_link_connected",
                "1 while the core is heard on the control stream",
                float(status.connected),
            ),
            _gauge(
                "borderscout_link_lag_revisions",
                "Revisions that the shard is behind the core; absent if unknown",
                status.lag,
            ),
            _gauge(
                "borderscout_link_bookmark_age_seconds",
                "Since the core last said where it is; absent before it ever did",
                status.age_s,
            ),
            _gauge(
                "borderscout_link_clock_skew_seconds",
                "Our clock less the core's when last heard; absent before it ever was",
                None if status.skew_us is None else status.skew_us / 1e6,
            ),
            _gauge(
                "borderscout_link_core_refused",
                "1 while nothing is handed to the core that is there: it is not the one to follow",
                float(bool(status.core_refused)),
            ),
            _gauge(
                "borderscout_link_forked",
                "1 while this spool is not heard: it was put back, or is a copy of another one",
                float(bool(status.forked)),
            ),
            _gauge(
                "borderscout_link_other_cores",
                "Other addresses of the core at which one runs that should not",
                float(len(status.other_cores)),
            ),
            CounterMetricFamily(
                "borderscout_link_core_moves",
                "Times that another address of the core was dialled instead",
                value=status.moves,
            ),
            reconnects,
            CounterMetricFamily(
                "borderscout_preferences_damaged",
                "Times that a document of the preferences was found changed on the disk",
                value=status.damages,
            ),
        ]


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _gauge(name: str, documentation: str, value: float | None) -> GaugeMetricFamily:
    """Return a gauge; without a sample when there is no value."""
    return GaugeMetricFamily(name, documentation, value=value)
