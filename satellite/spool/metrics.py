"""What does the spool count?

Touches a Prometheus registry, which asks whenever somebody scrapes. No address is ever a label.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from satellite.spool.store import Spool


class SpoolMetrics(Collector):
    """Gauges of one shard, read from its spool when they are asked for."""

    def __init__(self, spool: Spool, registry: CollectorRegistry) -> None:
        self._spool = spool
        registry.register(self)

    def oldest_us(self) -> int:
        """Return the age of the oldest message that has not ended; 0 when there is none."""
        oldest = self._spool.unfinished(limit=1)
        return max(0, self._spool.age_us() - oldest[0].age_us) if oldest else 0

    def collect(self) -> Iterable[Metric]:
        spool = self._spool
        messages = Metric("borderscout_spool_recipients", "Recipients by state", "gauge")
        for state, count in spool.counts().items():
            messages.add_sample(messages.name, {"state": state.value}, count)
        records, uploads = spool.backlog_sizes()
        revision = spool.preferences.position.revision
        problems = spool.problems()
        accepting = 0 if spool.refusal() else 1
        return [
            messages,
            _gauge("borderscout_spool_oldest_seconds", "Age of the oldest", self.oldest_us() / 1e6),
            _gauge("borderscout_outbox_records", "Records the core does not have yet", records),
            _gauge("borderscout_outbox_quarantine", "Quarantined mail to hand over", uploads),
            _gauge("borderscout_preferences_revision", "Applied revision", revision),
            _gauge("borderscout_spool_problems", "What waits for an operator", len(problems)),
            _gauge("borderscout_spool_accepting", "Whether the disk lets mail in", accepting),
        ]


def _gauge(name: str, documentation: str, value: float) -> Metric:
    metric = Metric(name, documentation, "gauge")
    metric.add_sample(name, {}, value)
    return metric
