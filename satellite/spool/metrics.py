"""Which metrics does the spool have?

Touches a Prometheus registry, which asks whenever somebody scrapes. No address is ever a label.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from satellite.spool.disk.pages import PAGE_BYTES
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
        recipients = GaugeMetricFamily(
            "borderscout_spool_recipients", "Recipients in the spool by state", labels=["state"]
        )
        for state, count in spool.counts().items():
            recipients.add_metric([state.value], count)
        records, uploads = spool.backlog_sizes()
        revision = spool.preferences.position.revision
        problems = spool.problems()
        accepting = 0 if spool.refusal() else 1
        pages, free_pages = spool.file_pages()
        gap = spool.outbox_gap()
        return [
            recipients,
            _gauge(
                "borderscout_spool_oldest_seconds",
                "Age of the oldest message that has not ended",
                self.oldest_us() / 1e6,
            ),
            _gauge(
                "borderscout_outbox_records", "Log records that the core does not have yet", records
            ),
            _gauge(
                "borderscout_outbox_bytes",
                "Room that these records take in the spool's file",
                spool.outbox_bytes,
            ),
            _gauge(
                "borderscout_outbox_lost_records",
                "Log records that went since the core did not take them; 0 once it knows of it",
                gap.records if gap is not None else 0,
            ),
            _gauge("borderscout_spool_file_bytes", "Size of the spool's file", pages * PAGE_BYTES),
            _gauge(
                "borderscout_spool_unused_bytes",
                "What of the spool's file holds nothing and takes whatever comes next",
                free_pages * PAGE_BYTES,
            ),
            _gauge(
                "borderscout_outbox_quarantine",
                "Quarantined messages that the core does not have yet",
                uploads,
            ),
            _gauge(
                "borderscout_preferences_revision",
                "Revision of the preferences that the shard applied",
                revision,
            ),
            _gauge(
                "borderscout_spool_problems",
                "Problems of the shard's folder that wait for an operator",
                len(problems),
            ),
            _gauge(
                "borderscout_spool_accepting", "1 while the disk lets mail in, else 0", accepting
            ),
        ]


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)
