"""What did one engine or filter say of one message?

Pure. An outcome has no truth value: ``if verdict`` would read a failure as clean, which is how
other gateways let mail pass unscanned.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

THREAT_LENGTH_MAX = 256  # characters of a threat's name that may enter a header or a record
DETAIL_LENGTH_MAX = 1024  # characters of free text from an engine, enough for its longest error


class Outcome(StrEnum):
    """Everything that an engine or filter can end with."""

    CLEAN = "clean"
    INFECTED = "infected"
    ENCRYPTED = "encrypted"  # a part could not be opened
    MACRO = "macro"
    LIMITS = "limits"  # the scan was incomplete
    ERROR = "error"  # it said so, or said what we do not understand
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"  # no connection, or no record at all
    SKIPPED = "skipped"  # by policy or size
    SCORED = "scored"  # a filter ran to its end; its tests carry what it found

    def __bool__(self) -> NoReturn:
        raise TypeError("an outcome has no truth value; compare it with a member")


class Effect(StrEnum):
    """What a test of a filter does beside its points."""

    SCORE = "score"
    ALLOW = "allow"  # spam thresholds do not apply to this recipient; virus policy does
    BLOCK = "block"  # the policy's `blacklist` action applies


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One named finding of a filter.

    A test with a recipient counts for that recipient alone.
    """

    __test__ = False  # pytest must not collect it

    name: str  # upper case, digits and underscores: what the header shows
    score: float = 0.0
    detail: str = ""  # the evidence: the list entry or the zone's answer
    recipient: str | None = None  # folded address
    effect: Effect = Effect.SCORE


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one engine or filter said of one message."""

    by: str  # the name in the settings
    outcome: Outcome
    version: str = ""  # of engine and definitions, for example "1.4.3/27807"
    ms: int = 0
    threats: tuple[str, ...] = ()
    detail: str = ""
    attempt: int = 1
    tests: tuple[Test, ...] = ()

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value; look at its outcome")


def printable(text: str, *, length_max: int = THREAT_LENGTH_MAX) -> str:
    """Return ``text`` as printable ASCII of at most ``length_max`` characters.

    What an engine or a stranger says is data: it must not break a header line or a log line.
    """
    cut = text[:length_max]
    if cut.isascii() and cut.isprintable():  # nearly always
        return cut
    return "".join(c if " " <= c <= "~" else "?" for c in cut)


def points(value: float) -> str:
    """Return points with at least one and at most three decimals: ``5.0``, ``1.25``."""
    text = f"{round(value, 3) + 0.0:.3f}".rstrip("0")  # plus zero: no "-0.0"
    return text + "0" if text.endswith(".") else text
