"""How does what was counted at one worker become known at all others?

Pure: time arrives by the clock that it is given, and the link carries what it hands out. Counting
is local and at once. Of each key that was seen often enough all that is counted is told, again when
it has grown; what the core tells of all others stands beside our own. Both replace what was said
before, so that a repeat changes nothing and a gap is made good by the next word.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from common.clock import Clock
from common.frozen import dataclass
from common.tallies import KEY_BYTES, TALLIES_OF_MESSAGE_MAX, TallyKey, ToldTally
from satellite.filtering.tallies import Total
from satellite.tallies.counted_things import CELLS_MAX, Counts

HEARD_S = 5.0  # the core says something every two seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class TalliesStatus:
    """How the exchange is at one moment.

    Args:
        is_of_all_sites: the core was heard within the last seconds.
        keys: what is counted one by one, here.
        keys_of_others: what the core has told of.
        cells: of both.
        given_way: counts that had to go so far, since there was no room.
        untold: keys that are to be told.
    """

    is_of_all_sites: bool
    keys: int
    keys_of_others: int
    cells: int
    given_way: int
    untold: int


class SharedTallies:
    """The counts of one worker, and of all others as far as the core tells them.

    Args:
        cluster: its name keys the digests.
        clock: the time.
        salt: 0 up to 2^64: drawn by the process.
        life: of the process, 16 hex digits: another one has counted other things.
        cells_max: bounds our own counts, and those of others.
    """

    def __init__(
        self, cluster: str, *, clock: Clock, salt: int, life: str, cells_max: int = CELLS_MAX
    ) -> None:
        self.life = life
        self._secret = blake2b(cluster.encode(), digest_size=32).digest()
        self._clock = clock
        self._own = Counts(salt, cells_max=cells_max)
        self._others = Counts(None, cells_max=cells_max)
        self._fresh: dict[TallyKey, None] = {}  # grown since they were told
        self._backlog: dict[TallyKey, None] = {}  # to be told again: the core may have lost them
        self._heard_s = float("-inf")

    def add(self, kind: str, key: bytes, amount: int = 1, *, told_from: int = 1) -> None:
        """Count something; it is told from an amount of ``told_from`` on."""
        tally_key = self._digest(kind, key)
        if self._own.add(tally_key, amount, now_s=self._clock.monotonic_s()) >= told_from:
            self._fresh[tally_key] = None
            if len(self._fresh) > TALLIES_OF_MESSAGE_MAX * 10:  # while nobody hears us
                del self._fresh[next(iter(self._fresh))]

    def total(self, kind: str, key: bytes, *, window_s: float) -> Total:
        """Return what was counted of a key lately, by us and by all others."""
        now_s = self._clock.monotonic_s()
        tally_key = self._digest(kind, key)
        own = self._own.total(tally_key, window_s, now_s=now_s)
        others = self._others.total(tally_key, window_s, now_s=now_s)
        return Total(own + others, is_of_all_sites=now_s - self._heard_s < HEARD_S)

    # ---- for the link

    def opened(self) -> None:
        """A stream to the core is open: it may be another core, or have forgotten all."""
        self._backlog = dict.fromkeys(self._own.latest_first())

    def untold(self) -> tuple[ToldTally, ...]:
        """Return what is to be told now, what is new before what is told again."""
        now_s = self._clock.monotonic_s()
        told: list[ToldTally] = []
        for waiting in (self._fresh, self._backlog):
            while waiting and len(told) < TALLIES_OF_MESSAGE_MAX:
                key = next(iter(waiting))
                del waiting[key]
                count = self._own.get(key)
                if count is not None and (ages := count.ages(now_s=now_s)):
                    told.append(ToldTally(key, ages))
        return tuple(told)

    def heard(self, told: Iterable[ToldTally]) -> None:
        """Take in what the core tells of all others; none: that it is there."""
        now_s = self._heard_s = self._clock.monotonic_s()
        for tally in told:
            self._others.put(tally.key, tally.counted(now_s=now_s), now_s=now_s)

    def status(self) -> TalliesStatus:
        """Return how it is now."""
        return TalliesStatus(
            is_of_all_sites=self._clock.monotonic_s() - self._heard_s < HEARD_S,
            keys=len(self._own),
            keys_of_others=len(self._others),
            cells=self._own.cells + self._others.cells,
            given_way=self._own.given_way,
            untold=len(self._fresh) + len(self._backlog),
        )

    def _digest(self, kind: str, key: bytes) -> TallyKey:
        return kind, blake2b(
            key, digest_size=KEY_BYTES, key=self._secret, person=kind.encode()[:16]
        ).digest()
