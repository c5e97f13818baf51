"""What does a result of Trend Vision One File Security say, and what does each of its refusals?

Pure. Clean is what is said to be: a result that names no findings where it must name them, of the
very file that was shown. All else is an error.

========================================== ========================================
a finding                                  infected, whatever else it says
an ``error`` that speaks of a password     encrypted
an ``ATSE_`` error, of what it unpacks     limits
any other error of an engine               error
``malwareCount`` 0 of the pattern engine   clean
``scanResult`` 0 or null, nothing found    clean
another digest than that of the message    error
========================================== ========================================

Source: README of trendmicro/tm-v1-fs-python-sdk 1.5.0, *Sample JSON Response*, *Error Handling*.
How an engine's ``error`` looks when there is one is not documented there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from common.frozen import dataclass
from common.verdict import Outcome, printable
from satellite.scanning.meaning import Meaning

RESULT_CHARACTERS_MAX = 1_000_000
THREATS_MAX = 20
UNNAMED = "found, and not named"
NO_LICENCE = "no licence"
_TOO_LARGE = re.compile(r"over maximum allowed size", re.IGNORECASE)
_PASSWORD = re.compile(r"encrypt|password", re.IGNORECASE)
_ENGINES = ("atse", "trendx")  # by patterns, and by machine learning

_Json = Mapping[str, Any]


class RpcStatus(IntEnum):
    """The statuses of gRPC that mean something here (its *status codes*)."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


_LICENCE = frozenset({RpcStatus.UNAUTHENTICATED, RpcStatus.PERMISSION_DENIED, RpcStatus.NOT_FOUND})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSecurityResult:
    """What a result says.

    Args:
        meaning: of the message.
        version: of scanner and engine; empty where it says none.
        definitions: the patterns; empty where it says none.
    """

    meaning: Meaning
    version: str = ""
    definitions: str = ""


class UnknownResult(ValueError):
    """A result is not one of those that we know."""


def result_of(text: str, *, sha256: bytes) -> FileSecurityResult:
    """Return what a result says.

    Args:
        text: as it came.
        sha256: of the message, 32 octets.
    """
    try:
        said = _parsed(text)
        digest = _text(said, "fileSHA256").lower().removeprefix("sha256:")
        if digest and digest != sha256.hex():
            raise UnknownResult("it tells of another file")
        engines = said.get("result")
        meaning = _concise(said) if engines is None else _verbose(_mapping(engines, "result"))
        return FileSecurityResult(
            meaning=meaning, version=_version(said), definitions=_patterns(said)
        )
    except UnknownResult as error:
        return FileSecurityResult(meaning=Meaning(Outcome.ERROR, (), f"its result: {error}"))


def refused(status: int, details: str) -> Meaning:
    """Return what it means that a call ended with a status of gRPC other than OK.

    Args:
        status: its number.
        details: its words; data from outside.
    """
    words = printable(details) or f"gRPC status {status}"
    if status in _LICENCE:
        return Meaning(Outcome.ERROR, (), f"{NO_LICENCE}: {words}")
    if status == RpcStatus.RESOURCE_EXHAUSTED and _TOO_LARGE.search(words):
        return Meaning(Outcome.LIMITS, (), words)
    if status == RpcStatus.INTERNAL and "429" in words:
        return Meaning(Outcome.UNAVAILABLE, (), f"too many requests: {words}")
    if status in (RpcStatus.RESOURCE_EXHAUSTED, RpcStatus.UNAVAILABLE):
        return Meaning(Outcome.UNAVAILABLE, (), words)
    if status == RpcStatus.DEADLINE_EXCEEDED:
        return Meaning(Outcome.TIMEOUT, (), words)
    return Meaning(Outcome.ERROR, (), words)


def _parsed(text: str) -> _Json:
    if len(text) > RESULT_CHARACTERS_MAX:
        raise UnknownResult("it is without an end")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise UnknownResult("it is no JSON") from None
    return _mapping(said, "it")


def _verbose(engines: _Json) -> Meaning:
    """Return what the engines say; the one by patterns must have looked."""
    blocks = [_mapping(engines[name], name) for name in _ENGINES if engines.get(name) is not None]
    if engines.get(_ENGINES[0]) is None:
        raise UnknownResult("the engine by patterns says nothing")
    names = [name for block in blocks for name in _found(block, "malware", "name")]
    counts = [_count(block, "malwareCount") for block in blocks]
    if any(counts) or names:
        return _infected(names)
    for block in blocks:
        if error := block.get("error"):
            return _of_error(error if isinstance(error, str) else json.dumps(error))
    return Meaning(Outcome.CLEAN)


def _concise(said: _Json) -> Meaning:
    names = list(_found(said, "foundMalwares", "malwareName"))
    if "scanResult" not in said or not _text(said, "scanId"):
        raise UnknownResult("it names no result")
    if names or (said["scanResult"] is not None and _count(said, "scanResult")):
        return _infected(names)
    return Meaning(Outcome.CLEAN)


def _infected(names: list[str]) -> Meaning:
    told = dict.fromkeys(printable(name) or UNNAMED for name in names[:THREATS_MAX])
    return Meaning(Outcome.INFECTED, tuple(told) or (UNNAMED,))


def _of_error(error: str) -> Meaning:
    if _PASSWORD.search(error):
        return Meaning(Outcome.ENCRYPTED, (), printable(error))
    outcome = Outcome.LIMITS if "ATSE_" in error else Outcome.ERROR
    return Meaning(outcome, (), f"its engine says: {printable(error)}")


def _found(block: _Json, key: str, name: str) -> Iterator[str]:
    found = block.get(key)
    if found is None:
        return
    if not isinstance(found, list):
        raise UnknownResult(f"{key} is no list")
    for one in found:
        said = _mapping(one, key).get(name)
        yield said if isinstance(said, str) else ""


def _count(block: _Json, key: str) -> int:
    said = block.get(key)
    if type(said) is not int or said < 0:
        raise UnknownResult(f"{key} is no count")
    return said


def _mapping(said: object, what: str) -> _Json:
    if not isinstance(said, dict):
        raise UnknownResult(f"{what} is not what it should be")
    return said


def _text(said: _Json, key: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) else ""


def _versions(said: _Json) -> Iterator[tuple[str, object]]:
    """Yield each part that the engines have, and its version."""
    engines = said.get("result")
    for name in _ENGINES:
        block = engines.get(name) if isinstance(engines, dict) else None
        version = block.get("version") if isinstance(block, dict) else None
        if isinstance(version, dict):
            yield from version.items()


def _version(said: _Json) -> str:
    engine = next((str(value) for part, value in _versions(said) if part == "engine"), "")
    scanner = _text(said, "scannerVersion")
    return printable(f"{scanner} ({engine})" if engine else scanner, length_max=64)


def _patterns(said: _Json) -> str:
    patterns = dict(_versions(said))
    words = (f"{part} {value}" for part, value in sorted(patterns.items()) if part != "engine")
    return printable(", ".join(words), length_max=128)
