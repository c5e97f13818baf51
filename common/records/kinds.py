"""What can one field of a log record hold, and how is it written and read?

Pure. Every value is read with a type and a bound; what is missing or of another type reads as
nothing. A record is data from outside: it is never refused for its content, and never believed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import Any

from common.frozen import dataclass
from common.records.bounds import TIME_US_MAX, storable, whole_number

_FLAGS = {True: "true", False: "false"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RecordFieldKind:
    """One kind of value.

    Args:
        write: returns a value of this kind as JSON.
        read: returns a value of this kind for anything that JSON can hold.
        shown: the kind and its bound, for the documentation.
        item: the class of an object in a list.
    """

    write: Callable[[Any], str]
    read: Callable[[object], Any]
    shown: str
    item: type[Any] | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a field in JSON, where it is not the field's own name."""

    key: str


@dataclass(frozen=True, slots=True)
class LeftOutWhenEmpty:
    """The field is not written when there is nothing in it."""


def text(length_max: int) -> RecordFieldKind:
    """Return the kind of a text of at most so many characters; empty when there is none."""

    def read(value: object) -> str:
        if isinstance(value, str):
            if len(value) <= length_max and value.isprintable():  # nearly all: worth a call less
                return value
            return storable(value, length_max=length_max)
        return ""

    return RecordFieldKind(encode_basestring, read, f"text, at most {length_max} characters")


def text_or_none(length_max: int) -> RecordFieldKind:
    """Return the kind of a text that may be absent."""

    def write(value: str | None) -> str:
        return "null" if value is None else encode_basestring(value)

    def read(value: object) -> str | None:
        return storable(value, length_max=length_max) if isinstance(value, str) else None

    return RecordFieldKind(write, read, f"text, at most {length_max} characters, or null")


def number(highest: int) -> RecordFieldKind:
    """Return the kind of a whole number from 0 up to ``highest``."""

    def read(value: object) -> int:
        if type(value) is int and 0 <= value <= highest:
            return value
        return whole_number(value, highest=highest)

    return RecordFieldKind(int.__repr__, read, "whole number")


def time() -> RecordFieldKind:
    """Return the kind of a time within the years that can be shown."""

    def read(value: object) -> int:
        return whole_number(value, highest=TIME_US_MAX)

    return RecordFieldKind(int.__repr__, read, "microseconds since the epoch, UTC")


def points() -> RecordFieldKind:
    """Return the kind of a score: a finite number; 0 when there is none."""

    def write(value: float) -> str:
        if not math.isfinite(value):
            return "0.0"  # a NaN is no JSON
        return float.__repr__(float(value))

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0.0
        return float(value) if abs(value) < 1e9 and math.isfinite(value) else 0.0

    return RecordFieldKind(write, read, "number, below 1e9")


def flag() -> RecordFieldKind:
    """Return the kind of a claim that is true or not."""
    return RecordFieldKind(_FLAGS.__getitem__, lambda value: value is True, "boolean")


def texts(length_max: int) -> RecordFieldKind:
    """Return the kind of a list of texts."""

    def write(values: tuple[str, ...]) -> str:
        return f"[{','.join(map(encode_basestring, values))}]" if values else "[]"

    def read(value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            return ()
        told = [one for one in value if isinstance(one, str)]
        return tuple([storable(one, length_max=length_max) for one in told])

    return RecordFieldKind(write, read, f"list of texts, {length_max} characters each")


def digests(items_max: int) -> RecordFieldKind:
    """Return the kind of a list of SHA-256 digests; what is none is left out."""

    def read(value: object) -> tuple[str, ...]:
        told = value if isinstance(value, list) else []
        good = [one for one in told if isinstance(one, str) and _SHA256.fullmatch(one)]
        return tuple(dict.fromkeys(good[:items_max]))

    write = texts(64).write
    return RecordFieldKind(write, read, f"list of at most {items_max} SHA-256, hexadecimal")


def counts(length_max: int) -> RecordFieldKind:
    """Return the kind of numbers by name."""

    def write(values: Mapping[str, int]) -> str:
        parts = (f"{encode_basestring(name)}:{value!r}" for name, value in values.items())
        return f"{{{','.join(parts)}}}"

    def read(value: object) -> dict[str, int]:
        found = value if isinstance(value, dict) else {}
        return {
            storable(name, length_max=length_max): whole_number(one) for name, one in found.items()
        }

    return RecordFieldKind(write, read, "object of whole numbers")
