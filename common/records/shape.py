"""How is a dataclass of a log record written and read?

Pure. A field is declared once, as ``Annotated``: its type, its kind, and what it means. Writer and
reader are made from that once for each class, since records are written several times a message.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from operator import attrgetter, call
from typing import Any, TypeVar, get_type_hints

from common.records.kinds import Key, LeftOutWhenEmpty, RecordFieldKind

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field as it is declared."""

    name: str  # of the attribute
    key: str  # in JSON
    kind: RecordFieldKind
    meaning: str
    may_be_left_out: bool  # when there is nothing in it


def fields_of(cls: type[Any]) -> tuple[Field, ...]:
    """Return the fields of a record's class, or of an item in it, in their order."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(_field(one.name, hints[one.name]) for one in dataclasses.fields(cls))


def _field(name: str, hint: Any) -> Field:
    said = {type(one): one for one in hint.__metadata__}
    return Field(
        name=name,
        key=said[Key].key if Key in said else name,
        kind=said[RecordFieldKind],
        meaning=said[str],
        may_be_left_out=LeftOutWhenEmpty in said,
    )


def writer_of(cls: type[Any]) -> Callable[[Any], str]:
    """Return what writes an object with the fields of ``cls`` as compact JSON."""
    fields = fields_of(cls)
    if not fields:
        return lambda _record: "{}"
    writes = [one.kind.write for one in fields]
    values = _values_of(fields)
    keys = [f"{encode_basestring(one.key)}:" for one in fields]
    if any(one.may_be_left_out for one in fields):
        always = [not one.may_be_left_out for one in fields]

        def write_some(record: Any) -> str:
            there = zip(keys, writes, values(record), always, strict=True)
            said = [key + write(value) for key, write, value, must in there if must or value]
            return f"{{{','.join(said)}}}"

        return write_some
    # One template and no loop of Python's own: half the time of putting the parts together.
    template = f"{{{','.join(key.replace('%', '%%') + '%s' for key in keys)}}}"

    def write_all(record: Any) -> str:
        return template % tuple(map(call, writes, values(record)))

    return write_all


def _values_of(fields: tuple[Field, ...]) -> Callable[[Any], tuple[Any, ...]]:
    names = [one.name for one in fields]
    if len(names) == 1:  # of one name ``attrgetter`` returns no tuple
        value = attrgetter(*names)
        return lambda record: (value(record),)
    return attrgetter(*names)


def reader_of(cls: type[T]) -> Callable[[Mapping[str, object]], T]:
    """Return what reads a ``cls`` from an object of JSON, whatever that holds."""
    # The slots are filled as a frozen class's own constructor does it, in half of its time.
    plan = [(getattr(cls, one.name).__set__, one.key, one.kind.read) for one in fields_of(cls)]

    def read(values: Mapping[str, object]) -> T:
        made = object.__new__(cls)
        for fill, key, read_one in plan:
            fill(made, read_one(values.get(key)))
        return made

    return read


def objects(cls: type[Any], *, items_max: int) -> RecordFieldKind:
    """Return the kind of a list of objects; beyond ``items_max`` they are not read."""
    write_one, read_one = writer_of(cls), reader_of(cls)

    def write(values: tuple[Any, ...]) -> str:
        return f"[{','.join(map(write_one, values))}]" if values else "[]"

    def read(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value:
            return ()
        return tuple(map(read_one, [one for one in value if isinstance(one, dict)][:items_max]))

    return RecordFieldKind(write, read, f"list, at most {items_max} objects", item=cls)
