"""How many messages of one destination have their turn, and for how many do others wait?

Pure. Others wait for a turn with the server, as its pace says. Two kinds do not count to it: a
result that waits for its commit, since the server is done with it, and a transaction that takes
long: it holds its own message alone. Both have limits of their own.
"""

from __future__ import annotations

from satellite.delivery.queue.entries import QueueEntry, Turn

# Results that wait for their commit: a crash may deliver each of them again.
SETTLING_MAX = 32


class UnderWay:
    """The turns of one destination.

    Attributes:
        count: all of them.
        active: those for which others wait.
        hanging: those that take long.
    """

    __slots__ = ("_settling", "active", "count", "hanging")

    def __init__(self) -> None:
        self.count = 0
        self.active = 0
        self.hanging = 0
        self._settling = 0

    def begin(self) -> None:
        """A turn begins."""
        self.count += 1
        self.active += 1

    def end(self, entry: QueueEntry) -> None:
        """A turn is over."""
        self.count -= 1
        if entry.is_settling:
            self._settling -= 1
        else:
            self._let_go(entry)

    def settling(self, entry: QueueEntry) -> bool:
        """Let the server take the next one while a result waits; return whether it does."""
        if entry.turn is not Turn.DELIVERY or entry.is_settling or self._settling >= SETTLING_MAX:
            return False
        self._let_go(entry)
        entry.is_settling = True
        self._settling += 1
        return True

    def hangs(self, entry: QueueEntry, *, limit: int) -> bool:
        """Let others go by a transaction that takes long; return whether they may.

        Args:
            entry: whose it is.
            limit: transactions that the server takes at once. Half as many are the reserve.
        """
        if entry.turn is not Turn.DELIVERY or entry.is_settling or entry.is_hanging:
            return False
        if self.hanging >= max(1, limit // 2):
            return False
        entry.is_hanging = True
        self.hanging += 1
        self.active -= 1
        return True

    def _let_go(self, entry: QueueEntry) -> None:
        if entry.is_hanging:
            entry.is_hanging = False
            self.hanging -= 1
        else:
            self.active -= 1
