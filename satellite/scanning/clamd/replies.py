"""Which verdict does a reply of clamd mean?

Pure. Only ``stream: OK`` is clean. Everything that is not one of the answers below is an error,
however friendly it looks.

Source: clamd.8 and clamd/session.c of ClamAV 1.4.

========================================= =========================================
``stream: OK``                            clean
``stream: Heuristics.Limits.Exceeded… FOUND``   limits (needs ``AlertExceedsMax yes``)
``stream: Heuristics.Encrypted… FOUND``   encrypted (needs ``AlertEncrypted yes``)
``stream: Heuristics.OLE2.ContainsMacros… FOUND`` macro
``stream: NAME FOUND``                    infected
``INSTREAM size limit exceeded. ERROR``   limits, and clamd closes
``stream: TEXT ERROR``                    error
anything else, or nothing                 error
========================================= =========================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from common.verdict import DETAIL_LENGTH_MAX, Outcome, printable

_NUMBERED = re.compile(rb"([0-9]{1,10}): (.*)", re.DOTALL)
_FOUND = re.compile(rb"stream: (.+) FOUND", re.DOTALL)
_ERROR = re.compile(rb"(?:stream: )?(.*?) ?ERROR", re.DOTALL)
_SIZE_LIMIT = b"INSTREAM size limit exceeded. ERROR"
_VERSION = re.compile(rb"ClamAV ([^/\s]+)(?:/([0-9]+))?(?:/.*)?", re.DOTALL)

_CLASSES = (
    ("Heuristics.Limits.Exceeded", Outcome.LIMITS),
    ("Heuristics.Encrypted", Outcome.ENCRYPTED),
    ("Heuristics.OLE2.ContainsMacros", Outcome.MACRO),
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one answer to INSTREAM says."""

    outcome: Outcome
    threats: tuple[str, ...] = ()
    detail: str = ""


def numbered(reply: bytes) -> tuple[int | None, bytes]:
    """Return the number of the command that a reply answers, and the reply itself.

    The number is None where clamd gives none, as it does for errors of the protocol.
    """
    match = _NUMBERED.fullmatch(reply)
    return (int(match[1]), match[2]) if match else (None, reply)


def meaning(reply: bytes) -> Meaning:
    """Return what a reply to INSTREAM means, its number taken off."""
    if reply == b"stream: OK":
        return Meaning(Outcome.CLEAN)
    if match := _FOUND.fullmatch(reply):
        name = text(match[1])
        return Meaning(_class_of(name), (name,))
    if reply == _SIZE_LIMIT:
        return Meaning(Outcome.LIMITS, (), "larger than clamd's StreamMaxLength")
    if match := _ERROR.fullmatch(reply):
        return Meaning(Outcome.ERROR, (), f"clamd said: {text(match[1], DETAIL_LENGTH_MAX)}")
    if not reply:
        return Meaning(Outcome.ERROR, (), "clamd gave an empty answer")
    return Meaning(Outcome.ERROR, (), f"clamd gave an unknown answer: {text(reply)}")


def version(reply: bytes) -> str:
    """Return engine and definitions, such as ``1.4.3/27807``; empty when it cannot be told."""
    match = _VERSION.fullmatch(reply.strip())
    if match is None:
        return ""
    return text(match[1] if match[2] is None else match[1] + b"/" + match[2])


def text(octets: bytes, length_max: int = 256) -> str:
    """Return octets of clamd as printable text."""
    return printable(octets.decode("latin-1"), length_max=length_max)


def _class_of(name: str) -> Outcome:
    for prefix, outcome in _CLASSES:
        if name.startswith(prefix):
            return outcome
    return Outcome.INFECTED
