"""How are the fields of a dataclass said that declares what each one holds?

Pure. The protobuf message has a field of the same name for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from common.field_kinds import FieldKind, field_kinds
from common.wire import bounds
from common.wire.bounds import NAME_LENGTH_MAX, TEXT_LENGTH_MAX


def _as_it_is(value: Any) -> Any:
    return value


def _label(value: str) -> str:
    return bounds.text(value, length_max=NAME_LENGTH_MAX)


_READ: Mapping[FieldKind, Callable[[Any], Any]] = {
    FieldKind.ULID: bounds.ulid,
    FieldKind.TIME: _as_it_is,  # whoever keeps it brings it into the calendar
    FieldKind.NUMBER: bounds.number,
    FieldKind.FLAG: _as_it_is,
    FieldKind.ADDRESS: bounds.address,
    FieldKind.ADDRESSES: bounds.addresses,
    FieldKind.LABEL: _label,
    FieldKind.SHOWN: bounds.shown,
    FieldKind.DIGEST: bounds.digest,
    FieldKind.HEAD: bounds.head,
}


def fields_from_wire(message: Message, declared: type) -> dict[str, Any]:
    """Return the fields of a message that a dataclass declares, each within the bounds of its kind.

    Raises:
        WireError: one of them breaks a bound.
    """
    return {
        name: _READ[kind](getattr(message, name)) for name, kind in field_kinds(declared).items()
    }


def fields_to_wire(said: object) -> dict[str, Any]:
    """Return what a protobuf message is made of that says a dataclass."""
    kinds = field_kinds(type(said))
    return {name: _said(kind, getattr(said, name)) for name, kind in kinds.items()}


def _said(kind: FieldKind, value: Any) -> Any:
    return value[:TEXT_LENGTH_MAX] if kind is FieldKind.SHOWN else value
