"""What does a record say, whatever a satellite put there?

Pure. A record is never refused for its content: what is no JSON object is a flaw, what is missing
or of another type reads as nothing, a field that this version does not know is passed over, and an
event that it does not know is an ``OtherRecord``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from common.records.bounds import VERDICTS_MAX
from common.records.every import RECORDS, AnyRecord, OtherRecord, Record
from common.records.items import ToldVerdict
from common.records.shape import reader_of

VERDICT_JSON_LENGTH_MAX = 16_384  # characters of one verdict that is shown as it came

_READERS: Mapping[str, Callable[[Mapping[str, object]], Record]] = {
    cls.event: reader_of(cls) for cls in RECORDS
}


_read_verdict = reader_of(ToldVerdict)


class FieldsUnreadable(ValueError):
    """The fields are no JSON object."""


def read(event: str, fields: bytes) -> AnyRecord:
    """Return what a record says.

    Args:
        event: the event's name, perhaps another version's.
        fields: as they travel.

    Raises:
        FieldsUnreadable: they are no JSON object.
    """
    return from_object(event, parse_object(fields))


def from_object(event: str, fields: Mapping[str, object]) -> AnyRecord:
    """Return what a record says whose fields have been parsed."""
    reader = _READERS.get(event)
    return OtherRecord(event, fields) if reader is None else reader(fields)


def verdict_from_object(fields: Mapping[str, object]) -> ToldVerdict:
    """Return a verdict that stands by itself, as ``verdicts_as_told`` returns it."""
    return _read_verdict(fields)


def verdicts_as_told(fields: bytes) -> list[dict[str, Any]]:
    """Return the verdicts of a record as they came, with what every verdict shows.

    Raises:
        FieldsUnreadable: the fields are no JSON object.
    """
    found = parse_object(fields).get("verdicts")
    verdicts = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [_verdict_as_told(verdict) for verdict in verdicts[:VERDICTS_MAX]]


def _verdict_as_told(verdict: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "by": "",
        "outcome": "",
        "version": "",
        "definitions": "",
        "definitions_us": 0,
        "ms": 0,
        "detail": "",
    }
    text = json.dumps(verdict, separators=(",", ":"))
    return shown | (verdict if len(text) <= VERDICT_JSON_LENGTH_MAX else {})


def parse_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        FieldsUnreadable: it is none, or one that no other reader would take (NaN, depth).
    """
    try:
        value = _DECODER.decode(data.decode())
        if rb"\u" in data:  # an escape can hold half a character, which no one could write again
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise FieldsUnreadable("the fields are not valid JSON") from error
    if not isinstance(value, dict):
        raise FieldsUnreadable("the fields are no JSON object")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


# Made once: ``json.loads`` with arguments makes one for each call, which takes as long as the rest.
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
