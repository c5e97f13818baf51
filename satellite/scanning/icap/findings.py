"""What did a scanner find, as the fields of its answer tell?

Pure. A field that tells of threats and cannot be read is never nothing; one that is empty is an
error, since there is no virus without a name, and nobody may lose mail by it.

Source: draft-stecher-icap-subid-00; see ``profiles`` for who says what.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import assert_never

from common.verdict import Outcome, printable
from satellite.scanning.clamav_names import outcome_of
from satellite.scanning.icap.heads import AnswerHead
from satellite.scanning.icap.profiles import (
    BLOCKED,
    CLEAN_RESULT,
    CONTAINER_TYPE,
    CONTAINER_WORDS,
    NO_THREATS,
    FieldReading,
)
from satellite.scanning.meaning import Meaning

THREATS_MAX = 20
UNNAMED = "found, and not named"

_INFECTION = re.compile(
    r"Type\s*=\s*([0-9]{1,3})\s*;\s*Resolution\s*=\s*[0-9]{1,3}\s*;\s*Threat\s*=\s*(.*?)\s*;?",
    re.IGNORECASE | re.DOTALL,
)
# Of several findings in one answer the worst is its outcome.
_WORST_FIRST = (Outcome.INFECTED, Outcome.ENCRYPTED, Outcome.LIMITS, Outcome.MACRO)

Finding = tuple[Outcome, str]


def found(heads: Iterable[AnswerHead], readings: Mapping[str, FieldReading]) -> Meaning | None:
    """Return what the heads of an answer tell of threats, None where they tell of none.

    Args:
        heads: of ICAP, then of HTTP.
        readings: how each field is read; the first that found something gives the names.
    """
    known = tuple(heads)
    if not any(name in readings for head in known for name, _ in head.fields):
        return None  # nearly always
    empty = None
    for name, reading in readings.items():
        said = [value for head in known for value in head.all(name)]
        findings = [one for value in said if value for one in _read(value, reading)]
        if findings:
            return _meaning(findings)
        if "" in said and empty is None:
            empty = Meaning(Outcome.ERROR, (), f"its field {name} is empty")
    return empty


def _meaning(findings: list[Finding]) -> Meaning:
    outcomes = {outcome for outcome, _ in findings}
    worst = next(outcome for outcome in _WORST_FIRST if outcome in outcomes)
    said = (name.strip(' "') or UNNAMED for outcome, name in findings if outcome is worst)
    names = dict.fromkeys(map(printable, said))
    return Meaning(worst, tuple(names)[:THREATS_MAX])


def _read(value: str, reading: FieldReading) -> Iterator[Finding]:
    match reading:
        case FieldReading.INFECTION:
            yield _infection(value)
        case FieldReading.VIOLATIONS:
            yield from _violations(value)
        case FieldReading.NAMES:
            yield from _names(value)
        case FieldReading.CATEGORY:
            yield Outcome.INFECTED, UNNAMED
        case FieldReading.SCAN_RESULT if value.lower() != CLEAN_RESULT:
            yield Outcome.INFECTED, value
        case FieldReading.REASON:
            yield Outcome.INFECTED, value
        case FieldReading.DECISION if value.lower() in BLOCKED:
            yield Outcome.INFECTED, UNNAMED
        case FieldReading.SCAN_RESULT | FieldReading.DECISION:
            return
        case _:
            assert_never(reading)


def _infection(value: str) -> Finding:
    said = _INFECTION.fullmatch(value)
    if said is None:
        return _named(value)
    if int(said[1]) == CONTAINER_TYPE:
        return _of_container(said[2]), said[2]
    return _named(said[2])


def _of_container(text: str) -> Outcome:
    folded = text.lower()
    for word, outcome in CONTAINER_WORDS:
        if word in folded:
            return outcome
    return Outcome.LIMITS


def _violations(value: str) -> Iterator[Finding]:
    """Yield the names: a count, then for each a file, a name, a problem and a resolution."""
    count, *lines = value.split("\n")
    if count.strip() == "0" and not lines:
        return
    names = lines[1::4]
    if not names:
        yield Outcome.INFECTED, value.replace("\n", " ")
    for name in names:
        yield _named(name)


def _names(value: str) -> Iterator[Finding]:
    if value.lower() in NO_THREATS:
        return
    for name in value.split(","):
        yield _named(name.strip())


def _named(name: str) -> Finding:
    return outcome_of(name), name
