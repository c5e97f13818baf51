"""How much of a thing was seen lately, at this node and at all sites?

Pure: the port. Filters count here what they want to know the rate of: messages of a network, copies
of a digest, a greylisted triplet. Counting is local and at once; the core sums over all sites and
tells them within seconds. Approximate: it may count too much of a key, by little; never too little,
but for what is on its way.
"""

from __future__ import annotations

from typing import Protocol

from common.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Total:
    """What was counted of a key within a window.

    Args:
        amount: at this worker, and what the core has told of all others.
        is_of_all_sites: the core was heard within the last seconds; False: others may have more.
    """

    amount: int
    is_of_all_sites: bool


class Tallies(Protocol):
    """Counts by kind and key, over sliding windows."""

    def add(self, kind: str, key: bytes, amount: int = 1, *, told_from: int = 1) -> None:
        """Count something that was seen now.

        Args:
            kind: what is counted, a word of ours (``common.tallies.KIND``).
            key: whatever tells things of that kind apart; it is hashed, and leaves the node as
                such alone.
            amount: how much.
            told_from: the amount from which on other sites are told of it.
        """
        ...

    def total(self, kind: str, key: bytes, *, window_s: float) -> Total:
        """Return what was counted within the last ``window_s`` seconds, of all sites."""
        ...


class NoTallies:
    """Counts nothing: for filters that are built to be looked at, and see no mail."""

    def add(self, kind: str, key: bytes, amount: int = 1, *, told_from: int = 1) -> None:
        """Count nothing."""

    def total(self, kind: str, key: bytes, *, window_s: float) -> Total:
        """Return that nothing was counted here, and that others may have some."""
        return Total(0, is_of_all_sites=False)
