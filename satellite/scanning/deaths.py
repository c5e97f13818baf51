"""Of which messages did an engine die, and is it shown them again?

Pure: the time arrives as ``now_s``. Beside how often an engine could not finish a message stands
how often it died of it, in one table that outlives the process: by the engine's name, and by its
name with a mark that no name may have. What died of which octets is remembered here as well, so
that a message which comes a thousand times does not end the engine two thousand times.
"""

from __future__ import annotations

DEATHS_MAX = 2  # then nobody shows it to the engine again
# As much where others were there each time: one that takes long is alone for a moment only, and who
# is there by chance would have to be there four times.
DEATHS_UNSURE_MAX = 4
OCTETS_S_MAX = 3600.0  # for so long an engine is not shown the octets that it died of
OCTETS_MAX = 1024  # different ones; the oldest go
_MARK = "/died"


def deaths_of(name: str) -> str:
    """Return the key under which the deaths of an engine are counted."""
    return f"{name}{_MARK}"


class DeadlyOctets:
    """The messages that one engine died of, or beside, by the SHA-256 of their octets.

    Attributes:
        seen: when each was, and whether nobody else was there; nearly always empty.
    """

    def __init__(self) -> None:
        self.seen: dict[bytes, tuple[float, bool]] = {}

    def died(self, sha256: bytes, *, is_alone: bool, now_s: float) -> None:
        """Take note of a death in the middle of a message.

        Args:
            sha256: of its octets.
            is_alone: the engine was well just before, and nobody else was shown to it.
            now_s: the time.
        """
        was_alone = self.is_deadly(sha256, now_s=now_s)
        self.seen.pop(sha256, None)
        self.seen[sha256] = (now_s, is_alone or was_alone)
        if len(self.seen) > OCTETS_MAX:
            del self.seen[next(iter(self.seen))]

    def survived(self, sha256: bytes) -> None:
        """The engine has answered on these octets."""
        self.seen.pop(sha256, None)

    def is_suspect(self, sha256: bytes, *, now_s: float) -> bool:
        """Say whether the engine died in the middle of these octets, whoever did it."""
        seen = self.seen.get(sha256)
        return seen is not None and now_s - seen[0] < OCTETS_S_MAX

    def is_deadly(self, sha256: bytes, *, now_s: float) -> bool:
        """Say whether the engine died of these octets, and of nothing else."""
        return self.is_suspect(sha256, now_s=now_s) and self.seen[sha256][1]

    def clear(self) -> None:
        """Forget all: the engine is another one now."""
        self.seen.clear()
