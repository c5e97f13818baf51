"""Which shards should ask a server now, since another shard has just reached it?

Pure. A customer's server that comes back is noticed first by the shard whose probe is due first;
all others that hold mail for it are told, and need not wait for their own. A hint that leads to
nothing (the server answers one site and not another) is given again ever more seldom: held mail is
probed gently (P10), whatever a shard says that it has reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HINT_S = 5.0  # between the first two hints for one hold of one shard
HINT_S_MAX = 40.0  # and at the longest: its own probes are 36 to 45 s apart

Place = tuple[str, int]  # node, shard


@dataclass(slots=True)
class _Hold:
    """One destination that one shard holds mail for."""

    not_before_s: float = 0.0  # monotonic: no hint sooner
    wait_s: float = HINT_S


class Hints:
    """Who holds mail for which destination, and when each was last told to ask."""

    def __init__(self) -> None:
        self._holds: dict[Place, dict[str, _Hold]] = {}
        self._holders: dict[str, set[Place]] = {}

    def reported(
        self, place: Place, *, held: Iterable[str], reached: Iterable[str], now_s: float
    ) -> list[tuple[Place, str]]:
        """Take in a shard's report, and return who is to be told of which destination.

        Args:
            place: who reports.
            held: the destinations that it holds mail for, all of them.
            reached: the destinations whose servers answered it a short while ago.
            now_s: the monotonic clock, in seconds.
        """
        self._keep(place, frozenset(held))
        return [
            (holder, destination)
            for destination in dict.fromkeys(reached)
            for holder in sorted(self._holders.get(destination, ()))
            if holder != place and self._is_due(self._holds[holder][destination], now_s)
        ]

    def left(self, place: Place) -> None:
        """Forget a shard that nothing reaches any more."""
        self._keep(place, frozenset())
        self._holds.pop(place, None)

    def _keep(self, place: Place, held: frozenset[str]) -> None:
        known = self._holds.setdefault(place, {})
        for destination in known.keys() - held:
            del known[destination]
            holders = self._holders[destination]
            holders.discard(place)
            if not holders:
                del self._holders[destination]
        for destination in held - known.keys():
            known[destination] = _Hold()
            self._holders.setdefault(destination, set()).add(place)

    def _is_due(self, hold: _Hold, now_s: float) -> bool:
        if now_s < hold.not_before_s:
            return False
        hold.not_before_s = now_s + hold.wait_s
        hold.wait_s = min(hold.wait_s * 2.0, HINT_S_MAX)
        return True
