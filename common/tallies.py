"""What do shards and the core tell each other of how much was seen?

Pure: the messages of the tally stream, and their bounds. What is told of a key replaces what was
told of it before: told twice it counts once, and lost it is made good by the next time.
Source: docs/sync.md, *Tallies*.
"""

from __future__ import annotations

import re

from common.frozen import dataclass
from common.identity import ShardIdentity
from common.sliding_count import SlidingCount

KIND = re.compile(r"[a-z][a-z0-9._-]{0,31}")  # what is counted, a word of ours
KEY_BYTES = 16  # of a digest: neither a screen nor the core learns what was counted
LIFE = re.compile(r"[0-9a-f]{16}")
TALLIES_OF_MESSAGE_MAX = 1_000  # some 30 octets each; with all their cells 500
CELLS_OF_MESSAGE_MAX = 64_000

TallyKey = tuple[str, bytes]  # kind and digest


@dataclass(frozen=True, slots=True)
class TellsTallies:
    """The first message of a tally stream.

    Args:
        identity: who speaks.
        life: of the process that counts, 16 hex digits: another one has counted other things.
    """

    identity: ShardIdentity
    life: str


@dataclass(frozen=True, slots=True)
class ToldTally:
    """All that the speaker has seen of one key.

    Args:
        key: kind and digest.
        ages: cells: how many seconds ago, and how much.
    """

    key: TallyKey
    ages: tuple[tuple[int, int], ...]

    def counted(self, *, now_s: float) -> SlidingCount:
        """Return it by the hearer's clock."""
        return SlidingCount.of_ages(self.ages, now_s=now_s)
