"""What does a program show of its machine's tunnel to whoever scrapes it?

Touches a Prometheus registry. A peer's label is its name in the inventory, never an address. What
nobody tells has no sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from common.wireguard.tunnel_state import TunnelHealth


class TunnelMetrics(Collector):
    """How the tunnel fares.

    Args:
        health: returns what is told of it; None: nothing.
        registry: where it is collected.
        now_s: returns the time, in seconds since the epoch.
    """

    def __init__(
        self,
        health: Callable[[], TunnelHealth | None],
        registry: CollectorRegistry,
        *,
        now_s: Callable[[], float],
    ) -> None:
        self._health = health
        self._now_s = now_s
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return how it is now."""
        peer = ["peer"]
        up = GaugeMetricFamily(
            "borderscout_wireguard_up", "1 while the tunnel's interface is there, else 0"
        )
        told = GaugeMetricFamily(
            "borderscout_wireguard_told_age_seconds",
            "How long ago the tunnel was looked after: more than 60 s, and nobody does",
        )
        age = GaugeMetricFamily(
            "borderscout_wireguard_handshake_age_seconds",
            "How long ago the peer shook hands: more than 180 s, and the tunnel to it is cut;"
            " absent if never; below 0 if this clock was set back",
            labels=peer,
        )
        unresolved = GaugeMetricFamily(
            "borderscout_wireguard_unresolved",
            "1 while the peer's host name has no address, else 0",
            labels=peer,
        )
        carried = GaugeMetricFamily(
            "borderscout_wireguard_path_mtu_bytes",
            "The largest packet that the path to the peer was found to carry; absent if unknown",
            labels=peer,
        )
        received = CounterMetricFamily(
            "borderscout_wireguard_received_bytes", "Octets that came from the peer", labels=peer
        )
        sent = CounterMetricFamily(
            "borderscout_wireguard_sent_bytes", "Octets that went to the peer", labels=peer
        )
        health = self._health()
        if health is not None:
            now_s = self._now_s()
            up.add_metric([], health.up)
            told.add_metric([], now_s - health.at_s)
            for one in health.peers:
                if one.handshake_s:
                    age.add_metric([one.name], now_s - one.handshake_s)
                if one.mtu:
                    carried.add_metric([one.name], one.mtu)
                unresolved.add_metric([one.name], one.unresolved)
                received.add_metric([one.name], one.received_bytes)
                sent.add_metric([one.name], one.sent_bytes)
        return [up, told, age, unresolved, carried, received, sent]
