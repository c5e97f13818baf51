"""Which destinations' servers answered last?

Pure. Remembered beyond their mail: who answered a minute ago does not wait for a place beside those
who may never do.
"""

from __future__ import annotations

from collections import OrderedDict

from satellite.delivery.decisions.routing import Destination

ANSWERING_MAX = 50_000  # destinations; beyond it the first is a stranger again


class Answering:
    """The destinations that answered last."""

    def __init__(self) -> None:
        self._known: OrderedDict[Destination, None] = OrderedDict()

    def __contains__(self, destination: Destination) -> bool:
        return destination in self._known

    def add(self, destination: Destination) -> None:
        """Take note that a destination has answered in time."""
        self._known[destination] = None
        if len(self._known) > ANSWERING_MAX:
            self._known.popitem(last=False)

    def discard(self, destination: Destination) -> None:
        """Take note that a destination has not."""
        self._known.pop(destination, None)
