"""What does the core say of what it keeps?

Pure: the shapes of the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.records.search import iso_time


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassReport:
    """One class of what is kept.

    Args:
        name: of the class.
        rows: how many there are, about.
        oldest_us: since when, microseconds since the epoch, UTC; 0: there is none, or nobody knows.
        days: for how many it is kept; for bodies, the longest of all reasons.
        gone: how many went in the last sweep.
    """

    name: str
    rows: int
    oldest_us: int
    days: int
    gone: int

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "rows": self.rows,
            "oldest": iso_time(self.oldest_us) if self.oldest_us else None,
            "days": self.days,
            "gone": self.gone,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionReport:
    """The last sweep, and what is left after it; empty before the first one.

    Args:
        began_us, ended_us, next_us: when, microseconds since the epoch, UTC; 0: not yet.
        database_bytes: what the database takes.
        unused_bytes: what of it is free again.
        problems: why a class could not be swept.
        classes: what is kept.
    """

    began_us: int = 0
    ended_us: int = 0
    next_us: int = 0
    database_bytes: int = 0
    unused_bytes: int = 0
    problems: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[ClassReport, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "last": iso_time(self.ended_us) if self.ended_us else None,
            "next": iso_time(self.next_us) if self.next_us else None,
            "seconds": (self.ended_us - self.began_us) / 1e6,
            "database_bytes": self.database_bytes,
            "unused_bytes": self.unused_bytes,
            "problems": dict(self.problems),
            "classes": [one.as_json() for one in self.classes],
        }
