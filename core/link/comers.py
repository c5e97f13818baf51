"""Do two processes speak for one life of a shard?

Pure. A process that has ended never comes back, and a spool is opened by one at a time. So whoever
comes back after another one came lives beside it, on a copy of its spool.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from common.identity import ShardIdentity

COMEBACKS_MAX = 3  # one alone may be a call that was under way while its process ended
WITHIN_S = 60.0
SEEN_MAX = 16  # processes of one life


@dataclass(slots=True)
class _Life:
    """Who has spoken for one life of a shard."""

    incarnation: str
    seen: list[str] = field(default_factory=list)  # in the order in which they first came
    current: str = ""
    spoken: str = ""  # whose records were taken last
    comebacks_s: deque[float] = field(default_factory=lambda: deque(maxlen=COMEBACKS_MAX))


class Comers:
    """Who comes to speak for each shard."""

    def __init__(self) -> None:
        self._lives: dict[tuple[str, int], _Life] = {}

    def spoke(self, identity: ShardIdentity, who: str) -> None:
        """Records of a process were taken: the chain goes on from its spool."""
        life = self._lives.get(identity.place)
        if life is not None and life.incarnation == identity.incarnation:
            life.spoken = who

    def came(self, identity: ShardIdentity, who: str, *, now_s: float) -> str:
        """Return who is one too many of two; empty while nobody is.

        That is the one whose records were not taken last, since what it has to tell does not go on
        from those; where neither has told anything, the later comer.

        Args:
            identity: the shard.
            who: the process, or its host when it does not say which it is.
            now_s: the monotonic clock.
        """
        life = self._lives.get(identity.place)
        if life is None or life.incarnation != identity.incarnation:
            life = self._lives[identity.place] = _Life(identity.incarnation)
        former, life.current = life.current, who
        if who == former:
            return ""
        if who not in life.seen:
            life.seen.append(who)
            del life.seen[:-SEEN_MAX]
            return ""
        life.comebacks_s.append(now_s)
        if len(life.comebacks_s) < COMEBACKS_MAX or now_s - life.comebacks_s[0] > WITHIN_S:
            return ""
        life.comebacks_s.clear()
        if life.spoken in (who, former):
            return former if life.spoken == who else who
        return max((who, former), key=lambda one: life.seen.index(one) if one in life.seen else -1)
