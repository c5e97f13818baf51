"""Who did what?

Pure: the shape of one entry. Entries are written in the transaction of what they tell of.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that a person, or the core by itself, did.

    Args:
        number: grows; entries are read from the newest.
        time_us: microseconds since the epoch, UTC.
        who: the name of whoever asked.
        what: what was done, such as ``preferences.publish``.
        subject: to what: a revision, a message, a release.
        detail: anything more.
    """

    number: int
    time_us: int
    who: str
    what: str
    subject: str
    detail: str
