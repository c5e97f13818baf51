"""Which routes were looked up a moment ago, and need not be again?

Pure but for what it remembers: a message's recipients are asked about several times on its way, and
most mail is for recipients that had mail before. Other preferences are other ways.
"""

from __future__ import annotations

from common.preferences import Preferences
from satellite.delivery.decisions.routing import Destination, Leg, Own, leg_of, ways_of
from satellite.spool.model.messages import Origin, Stored

WAYS_MAX = 4096  # remembered; strangers choose the addresses


class RouteCache:
    """The ways of recipients, each worked out once for each set of preferences.

    Args:
        own: who we are.
    """

    def __init__(self, own: Own) -> None:
        self._own = own
        self._preferences: Preferences | None = None
        self._legs: dict[tuple[str, Origin], Leg] = {}

    def leg(self, address: str, origin: Origin, preferences: Preferences) -> Leg:
        """Return the way of a recipient under these preferences; see ``leg_of``."""
        if preferences is not self._preferences:
            self._legs.clear()
            self._preferences = preferences
        key = (address, origin)
        leg = self._legs.get(key)
        if leg is None:
            leg = leg_of(address, origin, preferences=preferences, own=self._own)
            if len(self._legs) >= WAYS_MAX:
                self._legs.clear()
            self._legs[key] = leg
        return leg

    def ways(self, stored: Stored) -> frozenset[Destination]:
        """Return every destination that a message can have, under whatever preferences."""
        return frozenset(
            way
            for one in stored.recipients
            for way in ways_of(one.address, stored.origin, own=self._own)
        )
