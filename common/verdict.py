"""What did one engine or filter say of one message?

Pure. An outcome has no truth value: ``if verdict`` would read a failure as clean, which is how
other gateways let mail pass unscanned.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NoReturn

from common.frozen import dataclass

THREAT_LENGTH_MAX = 256  # characters of a threat's name that may enter a header or a record
DETAIL_LENGTH_MAX = 1024  # characters of free text from an engine, enough for its longest error

# With these a detail begins where the engine was not asked, but had said it of the same octets.
REMEMBERED = ("from the cache", "kept from a try")

HOUR_US = 3_600_000_000
AGE_HOURS_MAX = 48  # from here on an age is told in days
AGE_DAYS_MAX = 999


class Outcome(StrEnum):
    """Everything that an engine or filter can end with."""

    CLEAN = "clean"
    INFECTED = "infected"
    ENCRYPTED = "encrypted"  # a part could not be opened
    MACRO = "macro"
    LIMITS = "limits"  # the scan was incomplete
    UNREADABLE = "unreadable"  # an archive of a kind that it cannot open, and nothing else
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
    ASK_QUARANTINE = "ask-quarantine"  # the author's domain asks so: the policy's `dmarc` applies
    ASK_REJECT = "ask-reject"  # likewise
    TELL = "tell"  # its detail stands in the header of the copy


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
class ScopedMatch:
    """What rules of one scope found: it concerns the recipients in that scope, and nobody else.

    Args:
        rules: the name of their document.
        scope: whose mail it concerns, as ``common.preferences.scopes`` writes it.
        outcome: ``infected``, ``encrypted`` or ``macro``.
        threats: what they call it.
    """

    rules: str
    scope: str
    outcome: Outcome
    threats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one engine or filter said of one message."""

    by: str  # the name in the settings
    outcome: Outcome
    version: str = ""  # of the engine, for example "1.4.3"
    definitions: str = ""  # their version, for example "27807"
    definitions_us: int = 0  # when they were made, as they say; 0: they do not say
    is_stale: bool = False  # they are older than they may be
    ms: int = 0
    threats: tuple[str, ...] = ()
    detail: str = ""
    attempt: int = 1
    tests: tuple[Test, ...] = ()
    died: bool = False  # its connection or process ended in the middle of this very message
    unreadable: tuple[str, ...] = ()  # kinds of archives that it could not open, such as "rar"
    scoped: tuple[ScopedMatch, ...] = ()  # beside what all else says, which holds for everybody

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict has no truth value; look at its outcome")


def version_line(version: str, definitions: str) -> str:
    """Return engine and definitions as people read them: ``1.4.3/27807``."""
    return f"{version}/{definitions}" if version and definitions else version or definitions


def age_word(made_us: int, *, at_us: int) -> str:
    """Return how old definitions were, in one coarse word; empty when they do not say.

    Hours below two days, then days: whoever reads it wants to know whether an engine was fresh, and
    a line that changed with each message could not be kept for the next one.

    Args:
        made_us: when they were made, microseconds since the epoch; 0: unknown.
        at_us: when they were used; before that their clock or ours was wrong, and they were new.
    """
    if not made_us:
        return ""
    hours = max(0, at_us - made_us) // HOUR_US
    return f"{hours}h" if hours < AGE_HOURS_MAX else f"{min(hours // 24, AGE_DAYS_MAX)}d"


def printable(text: str, *, length_max: int = THREAT_LENGTH_MAX) -> str:
    """Return ``text`` as printable ASCII of at most ``length_max`` characters.

    What an engine or a stranger says is data: it must not break a header line or a log line.
    """
    cut = text[:length_max]
    if cut.isascii() and cut.isprintable():  # nearly always
        return cut
    return "".join(c if " " <= c <= "~" else "?" for c in cut)


def on_one_line(text: str) -> str:
    """Return text of any script without what would break a line, or turn it around."""
    return "".join(c if c.isprintable() else "?" for c in text)


def points(value: float) -> str:
    """Return points with at least one and at most three decimals: ``5.0``, ``1.25``."""
    text = f"{round(value, 3) + 0.0:.3f}".rstrip("0")  # plus zero: no "-0.0"
    return text + "0" if text.endswith(".") else text
