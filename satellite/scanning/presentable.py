"""What of an engine's answer may enter headers and records?

Pure. An engine may be somebody else's, and repeats what was in the mail.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable
from satellite.scanning.engine import EngineHealth

THREATS_MAX = 16  # names in one verdict
MOMENT_US_MAX = 253_402_300_799_000_000  # the end of the year 9999, which every screen can show


def presentable(name: str, said: object) -> Verdict:
    """Return an engine's verdict with nothing in it that could break a line, and bounded.

    Raises:
        TypeError: it is no verdict, or not one that an engine may give.
    """
    if not isinstance(said, Verdict) or said.outcome is Outcome.SCORED:
        raise TypeError(f"{said!r} is no verdict of an engine")
    if _is_presentable(name, said):  # nearly always, since nearly all mail is clean
        return said
    return Verdict(
        by=name,
        outcome=Outcome(said.outcome),
        version=printable(said.version),
        definitions=printable(said.definitions),
        definitions_us=_moment_us(said.definitions_us),
        ms=said.ms,
        threats=tuple(printable(threat) for threat in said.threats[:THREATS_MAX]),
        detail=printable(said.detail, length_max=DETAIL_LENGTH_MAX),
        attempt=said.attempt,
        died=said.died is True,
        unreadable=tuple(printable(kind) for kind in said.unreadable[:THREATS_MAX]),
    )


def presentable_health(said: EngineHealth) -> EngineHealth:
    """Return what an engine says of itself with nothing in it that could break a line."""
    return replace(
        said,
        version=printable(said.version),
        definitions=printable(said.definitions),
        definitions_us=_moment_us(said.definitions_us),
        detail=printable(said.detail),
    )


def _moment_us(said: object) -> int:
    """Return a time in microseconds since the epoch that a calendar has; 0 for anything else."""
    return said if type(said) is int and 0 <= said <= MOMENT_US_MAX else 0


def _is_presentable(name: str, said: Verdict) -> bool:
    """Say whether a verdict of nothing found can stand as it is."""
    return (
        said.by == name
        and type(said.outcome) is Outcome
        and not (said.died or said.threats or said.detail or said.tests or said.unreadable)
        and isinstance(said.threats, tuple)
        and _tells_printable(said.version, said.definitions, said.definitions_us)
    )


@lru_cache(maxsize=64, typed=True)
def _tells_printable(version: str, definitions: str, definitions_us: int) -> bool:
    """Say whether what an engine tells of itself can stand as it is; it is one for all mail."""
    return (
        printable(version) == version
        and printable(definitions) == definitions
        and _moment_us(definitions_us) == definitions_us
    )
