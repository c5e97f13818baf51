"""Which metrics does delivery have?

Touches a Prometheus registry. Names are promises; labels are bounded by our own enums.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.queue.places import PlaceKind, Places
from satellite.names.names import AnswerKind
from satellite.occurrences import Occurrences

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)


class Metrics:
    """The room's metrics.

    Args:
        registry: where they are; one of our own when left out.
        lanes, places: what the gauges read when they are asked for.
        silent: returns how many hosts are silent.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        lanes: Lanes,
        places: Places,
        silent: Callable[[], int],
    ) -> None:
        registry = registry if registry is not None else CollectorRegistry()
        self.attempts = Occurrences(
            "borderscout_delivery_attempts_total",
            "Recipients by what a delivery transaction led to",
            ["result"],
            registry=registry,
        )
        self.duration = Histogram(
            "borderscout_delivery_duration_seconds",
            "Time of one delivery transaction, connecting included",
            buckets=_SECONDS,
            registry=registry,
        )
        self.ambiguous = Counter(
            "borderscout_delivery_ambiguous_total",
            "Recipients whose final dot was not answered: possibly delivered",
            registry=registry,
        )
        self.lookups = Counter(
            "borderscout_delivery_lookups_total",
            "Questions to DNS, for customers' servers or strangers' domains, by how they ended",
            ["whose", "result"],
            registry=registry,
        )
        self.bounces = Counter(
            "borderscout_delivery_bounces_total", "DSNs that we made", registry=registry
        )
        self.notices = Counter(
            "borderscout_delivery_notices_total",
            "Notices of delay that we made",
            registry=registry,
        )
        for name, text, value in (
            (
                "borderscout_delivery_destinations_away",
                "Destinations on hold, whose hosts cannot be talked to",
                lambda: lanes.on_hold.in_all().destinations,
            ),
            (
                "borderscout_delivery_held_messages",
                "Messages that wait for a destination on hold",
                lambda: lanes.on_hold.in_all().messages,
            ),
            (
                "borderscout_delivery_held_bytes",
                "Octets of the bodies that wait for a destination on hold",
                lambda: lanes.on_hold.in_all().bytes,
            ),
            (
                "borderscout_delivery_queued_messages",
                "Messages waiting for their delivery, one for each destination",
                lambda: len(lanes),
            ),
            (
                "borderscout_delivery_silent_hosts",
                "Hosts that gave no answer, and were not seen to greet since",
                silent,
            ),
        ):
            Gauge(name, text, registry=registry).set_function(value)
        turns = Gauge(
            "borderscout_delivery_turns",
            "Messages that have their turn now, by what their places are for",
            ["kind"],
            registry=registry,
        )
        for kind in PlaceKind:
            turns.labels(kind.value).set_function(partial(places.taken, kind))

    def count_lookup(self, whose: str) -> Callable[[AnswerKind], None]:
        """Return what counts how lookups for customers or for strangers end."""
        return lambda kind: self.lookups.labels(whose, kind.value).inc()
