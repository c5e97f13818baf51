"""What does the page of all log records say?

Pure. It is made from the records' own classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from common.records.bounds import LABEL_LENGTH_MAX, NAME_LENGTH_MAX
from common.records.every import MessageRecord, NodeRecord
from common.records.log_record import FIELDS_BYTES_MAX
from common.records.shape import Field, fields_of

PAGE = "records.md"

HEAD = f"""# Log records

What happens to a message or a node is written down as a log record, in the same transaction as the
change that it tells of. Records stay in the spool until the core has them durably; there
`borderscout track --json` shows them as `events`, each with its `time`, its `event` and the fields
below. The core keeps
them for `records_days` (90 days) and until their message has ended, see
[operating.md](operating.md), *What the core keeps*.

A record itself has a sequence in the outbox of its shard (from 1, without holes), a time in
microseconds, its event ({LABEL_LENGTH_MAX} characters), our id of the message, which is empty when
it is about the node, and its fields: one JSON object of at most {FIELDS_BYTES_MAX} octets.

- **Too long.** A record that names very many recipients becomes several, each with some of them.
  What is too long otherwise is cut, first texts, then lists, and has `"shortened": true`.
- **Bounds.** The bounds below are those of the reader. A longer text is cut there, a value of
  another type reads as nothing, and so does one that is missing: a record is never refused for what
  it holds.
- **Other versions.** A field that a reader does not know stays in the record and is shown; so does
  an event that it does not know, from which nothing is derived. Names of events and fields keep
  their meaning.
- **Flaws.** What is no JSON object, has an id that is none, or speaks of another shard's message is
  kept with a `flaw` that says so, and changes nothing.
- **Recipients.** Readers take a recipient as an object or as its bare address, which is at most
  {NAME_LENGTH_MAX} characters long.

This page is drawn from `common/records` by `make docs`.
"""


def text() -> str:
    """Return the page."""
    messages, nodes = get_args(MessageRecord), get_args(NodeRecord)
    parts = [HEAD, "## Of a message\n", *map(_event, messages)]
    parts += ["## Of a node\n", *map(_event, nodes)]
    parts += ["## Objects in lists\n", *map(_object, _items((*messages, *nodes)))]
    return "\n".join(parts)


def _event(cls: type[Any]) -> str:
    lines = [f"### `{cls.event}`\n", f"{_said(cls)} Written by {cls.written_by}.\n"]
    return "\n".join([*lines, *_table(cls)])


def _object(cls: type[Any]) -> str:
    return "\n".join([f"### {cls.__name__}\n", f"{_said(cls)}\n", *_table(cls)])


def _said(cls: type[Any]) -> str:
    return (cls.__doc__ or "").partition("\n\n")[0].replace("\n", " ").replace("``", "`")


def _table(cls: type[Any]) -> Iterator[str]:
    fields = fields_of(cls)
    if not fields:
        yield "It has no fields.\n"
        return
    yield "| field | holds | means |\n|---|---|---|"
    for field in fields:
        yield f"| `{field.key}` | {_kind(field)} | {field.meaning} |"
    yield ""


def _kind(field: Field) -> str:
    shown = field.kind.shown
    if field.kind.item is not None:
        name = field.kind.item.__name__
        shown = f"{shown}: [{name}](#{name.lower()})"
    return f"{shown}; may be left out" if field.may_be_left_out else shown


def _items(classes: tuple[type[Any], ...]) -> list[type[Any]]:
    """Return the classes of objects in lists, each once, in the order in which they are met."""
    found: dict[type[Any], None] = {}
    for cls in classes:
        inner = tuple(one.kind.item for one in fields_of(cls) if one.kind.item is not None)
        found.update(dict.fromkeys((*inner, *_items(inner))))
    return list(found)
