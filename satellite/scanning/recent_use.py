"""Which clients' mail has taken how much of the helpers' processor time lately?

Touches the clock. A client is known by its network. What was used counts half after a minute.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from common.client_network import network_of
from common.clock import Clock

HALF_LIFE_S = 60.0
NETWORKS_MAX = 1024  # those that used some last


class RecentUse:
    """Processor time of late, by the networks of clients.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()  # seconds, and when

    def add(self, client: str, seconds: float) -> None:
        """Count processor time.

        Args:
            client: an address in canonical text; empty: nobody's, and not counted.
            seconds: 0 or more.
        """
        if not client:
            return
        network = network_of(client)
        used_s = self._of(network) + seconds
        self._used[network] = used_s, self._clock.monotonic_s()
        self._used.move_to_end(network)
        if len(self._used) > NETWORKS_MAX:
            self._used.popitem(last=False)

    def of(self, client: str) -> float:
        """Return the seconds of a client's network, those of long ago as less."""
        return self._of(network_of(client)) if client and self._used else 0.0

    def _of(self, network: str) -> float:
        used_s, when_s = self._used.get(network, (0.0, 0.0))
        return used_s * math.exp2((when_s - self._clock.monotonic_s()) / HALF_LIFE_S)
