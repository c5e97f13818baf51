"""What does a field of a message hold?

Pure. A dataclass of the link says it once, in the annotation of each field; the wire bounds what it
reads by it, and the core's store what it keeps. So a new field is declared in one place.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Annotated, get_type_hints


class FieldKind(Enum):
    """What a field may hold, whatever it is called."""

    ULID = auto()  # an identifier of ours
    TIME = auto()  # microseconds since the epoch, UTC
    NUMBER = auto()  # from 0 up to what 63 bits hold
    FLAG = auto()
    ADDRESS = auto()  # of an envelope, as it came; empty for the null reverse-path
    ADDRESSES = auto()
    LABEL = auto()  # a short word, or the address of a host
    SHOWN = auto()  # what only people read: cut, never refused
    DIGEST = auto()  # a SHA-256
    HEAD = auto()  # what stands in front of a delivered copy


Ulid = Annotated[str, FieldKind.ULID]
TimeUs = Annotated[int, FieldKind.TIME]
Number = Annotated[int, FieldKind.NUMBER]
Flag = Annotated[bool, FieldKind.FLAG]
Address = Annotated[str, FieldKind.ADDRESS]
Addresses = Annotated[tuple[str, ...], FieldKind.ADDRESSES]
Label = Annotated[str, FieldKind.LABEL]
Shown = Annotated[str, FieldKind.SHOWN]
Digest = Annotated[bytes, FieldKind.DIGEST]
Head = Annotated[bytes, FieldKind.HEAD]


_KNOWN: dict[type, dict[str, FieldKind]] = {}  # reading annotations takes longer than a message


def field_kinds(declared: type) -> dict[str, FieldKind]:
    """Return the kind of each field that a dataclass declares with one, in their order."""
    known = _KNOWN.get(declared)
    if known is None:
        known = _KNOWN[declared] = _read_kinds(declared)
    return known


def _read_kinds(declared: type) -> dict[str, FieldKind]:
    hints = get_type_hints(declared, include_extras=True)
    return {
        name: found
        for name, hint in hints.items()
        for found in getattr(hint, "__metadata__", ())
        if isinstance(found, FieldKind)
    }
