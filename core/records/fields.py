"""What do a record's fields say, whatever a satellite put there?

Pure. Every value is read with a type and a bound; what is missing or of another type reads as
nothing. A record is data from outside: it is never refused for its content, and never believed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from common.records.bounds import LINE_LENGTH_MAX, TIME_US_MAX, storable, whole_number


class FieldsUnreadable(ValueError):
    """The fields are no JSON object."""


class Fields:
    """The JSON object of one record, or one item of a list in it."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def parse(cls, data: bytes) -> Fields:
        """Return the fields of a record.

        Raises:
            FieldsUnreadable: they are no JSON object.
        """
        return cls(parse_object(data))

    def text(self, name: str, *, length_max: int = LINE_LENGTH_MAX) -> str:
        """Return a text, cut to its bound; empty when there is none."""
        value = self._values.get(name)
        return storable(value, length_max=length_max) if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        """Return a whole number from 0; 0 when there is none."""
        return whole_number(self._values.get(name))

    def time_us(self, name: str) -> int:
        """Return a time in microseconds since the epoch, within the years that can be shown."""
        return whole_number(self._values.get(name), highest=TIME_US_MAX)

    def score(self, name: str) -> float:
        """Return a finite number; 0 when there is none."""
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0.0
        return float(value) if abs(value) < 1e9 and math.isfinite(value) else 0.0

    def items(self, name: str) -> list[Fields]:
        """Return the objects of a list."""
        return [Fields(item) for item in self._list(name) if isinstance(item, dict)]

    def texts(self, name: str, *, length_max: int) -> list[str]:
        """Return the texts of a list."""
        return [
            storable(item, length_max=length_max)
            for item in self._list(name)
            if isinstance(item, str)
        ]

    def has(self, name: str) -> bool:
        """Say whether a field is there at all."""
        return name in self._values

    def json(self, *, length_max: int) -> str:
        """Return the object as JSON; empty when it is longer than ``length_max`` characters."""
        text = json.dumps(self._values, ensure_ascii=True, separators=(",", ":"))
        return text if len(text) <= length_max else ""

    def _list(self, name: str) -> list[Any]:
        value = self._values.get(name)
        return value if isinstance(value, list) else []


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
