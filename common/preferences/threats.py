"""What do the operators say of a threat by its name: is it spam rather than virus, or none at all?

Pure. A name may hold ``*`` for any characters; upper and lower case differ, as engines write them.
An entry of the engine itself comes before one of all engines, a whole name before a pattern, a
longer pattern before a shorter one. Matching takes time linear in the name for each pattern, and is
asked only where an engine named a threat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from common.preferences.bodies import ThreatBody
from common.verdict import THREAT_LENGTH_MAX

ALL_ENGINES = "*"
LETTERS_MIN = 3  # beside the stars: what matches nearly all names would switch an engine off


def threat_key(engine: str, name: str) -> str:
    """Return the key of what is said of a threat: ENGINE/NAME.

    Args:
        engine: its name in the settings, or ``*`` for all of them.
        name: of the threat; ``*`` in it stands for any characters.

    Raises:
        ValueError: one of them cannot be; says what would be.
    """
    is_name = engine and len(engine) <= 64 and all(c.isalnum() or c in "-_." for c in engine)
    if engine != ALL_ENGINES and not is_name:
        raise ValueError(f"{engine[:80]!r} is no engine; write its name, or * for all of them")
    if not name.isascii() or not name.isprintable() or len(name) > THREAT_LENGTH_MAX:
        raise ValueError(
            f"a threat's name is printable ASCII of at most {THREAT_LENGTH_MAX} characters"
        )
    if sum(c.isalnum() for c in name) < LETTERS_MIN:
        raise ValueError(
            f"{name!r} matches too much; write at least {LETTERS_MIN} letters or digits"
        )
    return f"{engine}/{name}"


def split_threat_key(key: str) -> tuple[str, str]:
    """Return engine and name of such a key; a threat's name may hold a slash, an engine's not."""
    engine, slash, name = key.partition("/")
    if not slash:
        raise ValueError("the key is ENGINE/NAME, or */NAME for all engines")
    return engine, name


class NamedThreats:
    """All that is said of threats at one revision.

    Args:
        entries: the key and the body of each document.
    """

    def __init__(self, entries: Iterable[tuple[str, ThreatBody]] = ()) -> None:
        self._whole: dict[tuple[str, str], ThreatBody] = {}
        self._patterns: dict[str, list[tuple[str, ThreatBody]]] = {}
        for key, body in entries:
            engine, name = split_threat_key(key)
            if "*" in name:
                self._patterns.setdefault(engine, []).append((name, body))
            else:
                self._whole[engine, name] = body
        for patterns in self._patterns.values():
            patterns.sort(key=lambda each: (-len(each[0]), each[0]))
        self.is_empty = not (self._whole or self._patterns)

    def of(self, engine: str, threat: str, *, now_us: int) -> tuple[str, ThreatBody] | None:
        """Return what is said of a threat that an engine named, with its key; None: nothing.

        Args:
            engine: who named it.
            threat: as it did.
            now_us: the time, microseconds since the epoch, UTC; what has ended says nothing.
        """
        for owner in (engine, ALL_ENGINES):
            for name, body in self._fitting(owner, threat):
                if body.stands_at(now_us):
                    return f"{owner}/{name}", body
        return None

    def _fitting(self, owner: str, threat: str) -> Iterator[tuple[str, ThreatBody]]:
        body = self._whole.get((owner, threat))
        if body is not None:
            yield threat, body
        for pattern, its_body in self._patterns.get(owner, ()):
            if _fits(pattern, threat):
                yield pattern, its_body


def _fits(pattern: str, name: str) -> bool:
    """Say whether a name is of a pattern with at least one star."""
    first, *between, last = pattern.split("*")
    if len(name) < len(first) + len(last):
        return False
    if not (name.startswith(first) and name.endswith(last)):
        return False
    place, end = len(first), len(name) - len(last)
    for part in between:  # the leftmost place is as good as any: only stars stand between
        found = name.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True
