"""What does ClamAV mean by the name of what it found?

Pure. It says in a name that it did not see all, or could not open something. Several engines stand
on it, and pass its names on.

Source: libclamav's names that begin with ``Heuristics``; clamd.conf(5), AlertExceedsMax and others.
"""

from __future__ import annotations

from common.verdict import Outcome

_CLASSES = (
    ("Heuristics.Limits.Exceeded", Outcome.LIMITS),
    ("Heuristics.Encrypted", Outcome.ENCRYPTED),
    ("Heuristics.OLE2.ContainsMacros", Outcome.MACRO),
)


def outcome_of(name: str) -> Outcome:
    """Return what a name means; nearly always that a message is infected."""
    for prefix, outcome in _CLASSES:
        if name.startswith(prefix):
            return outcome
    return Outcome.INFECTED
