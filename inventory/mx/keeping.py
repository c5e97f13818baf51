"""When is a better order worth a change?

Pure. Measurements are never the same twice; without this, their noise would become changes in DNS.
What is left of the earlier order stands, place by place, until another site is better by more than
a part of the way to the one that is there. What cannot stay (a site that is no longer active, or no
longer allowed) goes at once, and moves nothing else.

Source: docs/mx.md, *Keep what is there*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

GAIN_PCT = 20  # of the way to the site that is there
DWELL_H = 24  # hours that an order stands at least
WAY_M_MIN = 100_000  # of a shorter way a part is less than what chance adds to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How much better an order has to be, and how many may change.

    Args:
        now: the time of this plan, in UTC.
        gain_pct: per cent of the way that another site must gain.
        dwell_h: hours for which an order stands that has just changed.
        moves_max: so many domains change at most because it is better; None: all.
    """

    now: datetime
    gain_pct: int = GAIN_PCT
    dwell_h: int = DWELL_H
    moves_max: int | None = None

    def may_move(self, since: datetime | None) -> bool:
        """Return whether an order has stood long enough."""
        return since is None or self.now - since >= timedelta(hours=self.dwell_h)

    def room_m(self, way_m: int) -> int:
        """Return what another site must be better by than one that is so far away."""
        return max(way_m, WAY_M_MIN) * self.gain_pct // 100


class Former(NamedTuple):
    """The order that a domain had, and since when."""

    order: tuple[str, ...]
    since: datetime | None


class KeptOrder(NamedTuple):
    """An order, and by how much the sites in it are better than those that they replaced."""

    order: tuple[str, ...]
    gain_m: int


def kept_order(
    ranked: Sequence[tuple[int, str]],
    before: Sequence[str],
    *,
    count: int,
    pinned: str | None = None,
    room_m: Callable[[str], int] | None = None,
) -> KeptOrder:
    """Return what becomes of an earlier order.

    Args:
        ranked: cost and name of every site that the domain may have, the best first.
        before: the earlier order.
        count: so many sites are chosen at most.
        pinned: it comes first if it is in ``ranked``.
        room_m: what another must be better by than this one; None: as if nothing could be.
    """
    left = list(ranked)
    costs = {name: cost for cost, name in ranked}
    former = [name for name in before if name in costs]
    order: list[str] = []
    gain_m = 0
    if pinned in costs:
        order.append(_taken(left, former, pinned))
    while left and len(order) < count:
        best_m, best = left[0]
        if former and former[0] != best:
            gained_m = costs[former[0]] - best_m
            if room_m is None or gained_m <= room_m(former[0]):
                best = former[0]
            else:
                gain_m = max(gain_m, gained_m)
        order.append(_taken(left, former, best))
    return KeptOrder(tuple(order), gain_m)


def chosen_moves(gains_m: Iterable[tuple[str, int]], *, moves_max: int | None) -> set[str]:
    """Return the domains that may change: those that gain most."""
    ordered = sorted(gains_m, key=lambda pair: (-pair[1], pair[0]))
    return {domain for domain, _ in ordered[:moves_max]}


def _taken(left: list[tuple[int, str]], former: list[str], name: str) -> str:
    left[:] = [pair for pair in left if pair[1] != name]
    former[:] = [one for one in former if one != name]
    return name
