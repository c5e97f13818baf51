"""At which of the core's addresses is it dialled now?

Pure: the time arrives as ``now_s``, chance as ``spread``. One machine at a time runs the core, and
nobody tells a node which: whoever has lost it tries the addresses in turn, for ever. With one
address there is nothing to choose.

- A core that is accepted keeps its address, whatever other address comes back.
- One that was accepted there and is lost is waited for, since a restart must make nobody move.
- A new address has a shorter time, and more of it each time that all were tried in vain: a core
  that a thousand nodes have found at once is slow to answer, and leaving it makes it no faster.
- One that is refused is left at once, until each address had its turn; then it has its time, too.

Source: docs/sync.md, *On several machines*.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

SPREAD = 1 / 3  # of each wait, at most, so that nodes which lost the core together move apart


class Reached(Enum):
    """What a link has reached where it dials."""

    NOTHING = auto()
    UNJUDGED = auto()  # there is a connection, and no verdict on what is at its other end so far
    ACCEPTED = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceWaits:
    """How long an address is kept without a core that is accepted; all durations are in seconds."""

    lost_s: float = 15.0  # one that had such a core: a restart takes some seconds
    trial_s: float = 5.0  # any other: as long as one attempt to connect may take
    trial_longest_s: float = 20.0  # once all were tried in vain, again and again
    judged_s: float = 10.0  # more where there is a connection: JUDGED_S of accepted_core


class CoreChoice:
    """The addresses of one core, and the one of them that is dialled.

    Args:
        addresses: HOST:PORT, in the order in which they are tried; one or more.
        waits: how long each is kept.
    """

    def __init__(self, addresses: Sequence[str], *, waits: ChoiceWaits | None = None) -> None:
        self.addresses = tuple(dict.fromkeys(addresses))
        assert self.addresses
        self.moves = 0  # times that another address was dialled instead
        self._waits = waits or ChoiceWaits()
        self._place = 0
        self._in_vain = 0  # moves since a core was accepted
        self._was_accepted = False  # whether one was at this address since it is dialled
        self._since_s: float | None = None  # when it was first seen without one
        self._patience_s = 0.0

    @property
    def address(self) -> str:
        """The address that is dialled."""
        return self.addresses[self._place]

    @property
    def is_standby(self) -> bool:
        """Whether that is not the first one."""
        return self._place > 0

    @property
    def others(self) -> tuple[str, ...]:
        """The addresses that are not dialled, those whose turn comes first before the others."""
        return (*self.addresses[self._place + 1 :], *self.addresses[: self._place])

    def look(self, reached: Reached, *, now_s: float, spread: float) -> bool:
        """Return whether another address is to be dialled from now on.

        Args:
            reached: what there is at this one.
            now_s: the monotonic clock, in seconds.
            spread: from 0 up to 1, drawn anew each time.
        """
        if len(self.addresses) == 1:
            return False
        if reached is Reached.ACCEPTED:
            self._was_accepted, self._in_vain, self._since_s = True, 0, None
            return False
        if self._since_s is None:
            self._since_s, self._patience_s = now_s, self._patience(spread)
        if now_s < self._since_s + self._kept_s(reached):
            return False
        self.go(self.others[0])
        return True

    def go(self, address: str) -> None:
        """Dial another one of the addresses."""
        self._place = self.addresses.index(address)
        self.moves += 1
        self._in_vain += 1
        self._was_accepted, self._since_s = False, None

    # ---- inside

    def _patience(self, spread: float) -> float:
        """Return how long this address is kept while nothing is there."""
        waits = self._waits
        rounds = min(self._in_vain // len(self.addresses), 32)  # beyond it the limit holds anyway
        trial_s = min(waits.trial_longest_s, waits.trial_s * 2.0**rounds)
        return (waits.lost_s if self._was_accepted else trial_s) * (1.0 + spread * SPREAD)

    def _kept_s(self, reached: Reached) -> float:
        """Return how long it is kept with what is there."""
        if reached is Reached.REFUSED and self._in_vain < len(self.addresses) - 1:
            return 0.0  # not for ever: where all are refused, nobody is to be dialled in a rush
        return self._patience_s + (self._waits.judged_s if reached is Reached.UNJUDGED else 0.0)
