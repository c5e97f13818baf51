"""Which verdict does a reply of clamd mean?

Pure. Only ``stream: OK`` is clean. Everything that is not one of the answers below is an error,
however friendly it looks.

Source: clamd.8 and clamd/session.c of ClamAV 1.4.

========================================= =========================================
``stream: OK``                            clean
``stream: Heuristics.Limits.Exceeded… FOUND``   limits (needs ``AlertExceedsMax yes``)
``stream: Heuristics.Encrypted… FOUND``   encrypted (needs ``AlertEncrypted yes``)
``stream: Heuristics.OLE2.ContainsMacros… FOUND`` macro
``stream: (null) FOUND``, no name         limits
``stream: NAME FOUND``                    infected
``INSTREAM size limit exceeded. ERROR``   limits, and clamd closes
``stream: TEXT ERROR``, of the message    limits
``stream: TEXT ERROR``, other             error
anything else, or nothing                 error
========================================= =========================================
"""

from __future__ import annotations

import re
from datetime import datetime

from common.frozen import dataclass
from common.verdict import DETAIL_LENGTH_MAX, Outcome, printable
from satellite.scanning.clamav_names import outcome_of
from satellite.scanning.meaning import Meaning

_WHEN = "%a %b %d %H:%M:%S %Y"
_NUMBERED = re.compile(rb"([0-9]{1,10}): (.*)", re.DOTALL)
_FOUND = re.compile(rb"stream: (.*) FOUND", re.DOTALL)
_ERROR = re.compile(rb"(?:stream: )?(.*?) ?ERROR", re.DOTALL)
_CLEAN = Meaning(Outcome.CLEAN)  # one for nearly all mail
_SIZE_LIMIT = b"INSTREAM size limit exceeded. ERROR"
_VERSION = re.compile(rb"ClamAV ([^/\s]+)(?:/([0-9]+))?(?:/(.*))?", re.DOTALL)

# What C prints for a name that is not there: libclamav gave up on a limit and says "found" without
# having found anything. There is no virus without a name.
_NAMELESS = re.compile(rb" *(?:\(null\))?(?:\([0-9a-f]*:[0-9]+\))? *")
# What libclamav's cl_strerror says when it is the message that cannot be read to its end. All else,
# such as memory or a disk that is full, is clamd's own trouble and goes away.
_OF_THE_MESSAGE = frozenset(
    {
        b"Bad format or broken data",
        b"Can't parse data",
        b"Can't unpack some data",
        b"Exceeded max recursion depth",
        b"Exceeded max scan files",
        b"Exceeded max scan size",
        b"Exceeded time limit",
    }
)


def numbered(reply: bytes) -> tuple[int | None, bytes]:
    """Return the number of the command that a reply answers, and the reply itself.

    The number is None where clamd gives none, as it does for errors of the protocol.
    """
    match = _NUMBERED.fullmatch(reply)
    return (int(match[1]), match[2]) if match else (None, reply)


def meaning(reply: bytes) -> Meaning:
    """Return what a reply to INSTREAM means, its number taken off."""
    if reply == b"stream: OK":
        return _CLEAN
    if match := _FOUND.fullmatch(reply):
        return _found(match[1])
    if reply == _SIZE_LIMIT:
        return Meaning(Outcome.LIMITS, (), "larger than clamd's StreamMaxLength")
    if match := _ERROR.fullmatch(reply):
        outcome = Outcome.LIMITS if match[1] in _OF_THE_MESSAGE else Outcome.ERROR
        return Meaning(outcome, (), f"clamd said: {text(match[1], DETAIL_LENGTH_MAX)}")
    if not reply:
        return Meaning(Outcome.ERROR, (), "clamd gave an empty answer")
    return Meaning(Outcome.ERROR, (), f"clamd gave an unknown answer: {text(reply)}")


def is_own_failure(reply: bytes) -> bool:
    """Say whether a reply tells of clamd's own trouble, and nothing of the message."""
    return meaning(reply).outcome is Outcome.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class ClamdVersion:
    """What clamd says of itself; the fields are those of ``common.verdict.Verdict``."""

    version: str = ""
    definitions: str = ""
    definitions_us: int = 0


def version(reply: bytes) -> ClamdVersion:
    """Return engine and definitions, as far as its answer to VERSION tells."""
    match = _VERSION.fullmatch(reply.strip())
    if match is None:
        return ClamdVersion()
    return ClamdVersion(
        version=text(match[1]),
        definitions=text(match[2] or b""),
        definitions_us=_made_us(text(match[3] or b"")),
    )


def _made_us(said: str) -> int:
    """Return when definitions were made, 0 when it cannot be told.

    clamd writes the time as its own machine's clock on the wall has it, and names no zone. It is
    taken for this machine's; for a clamd in another zone the age is wrong by the difference.
    """
    try:
        made_s = round(datetime.strptime(said, _WHEN).astimezone().timestamp())
    except (ValueError, OverflowError, OSError):
        return 0
    return max(made_s, 0) * 1_000_000


def text(octets: bytes, length_max: int = 256) -> str:
    """Return octets of clamd as printable text."""
    return printable(octets.decode("latin-1"), length_max=length_max)


def _found(said: bytes) -> Meaning:
    if _NAMELESS.fullmatch(said):
        return Meaning(Outcome.LIMITS, (), "clamd found something that it has no name for")
    name = text(said)
    return Meaning(outcome_of(name), (name,))
