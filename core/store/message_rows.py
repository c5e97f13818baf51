"""How are messages read from their rows and put back?

Touches the database, in the transaction of whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from core.records.messages import Copy, Message
from core.store import tables

IDS_IN_A_QUERY = 500  # SQLite takes 32 766 variables, older ones 999

_MESSAGE_FIELDS = (
    "received_us",
    "origin",
    "client",
    "helo",
    "tls",
    "sender",
    "sender_folded",
    "sender_domain",
    "message_id_header",
    "subject",
    "size",
    "sha256",
    "revision",
    "score",
    "released_from",
    "quarantine_reason",
)
_COPY_FIELDS = (
    "place",
    "folded",
    "domain",
    "customer",
    "state",
    "disposition",
    "reason",
    "attempts",
    "reply",
    "next_us",
    "ended_us",
)


def in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Return ids in parts that one query can hold."""
    for start in range(0, len(ids), IDS_IN_A_QUERY):
        yield ids[start : start + IDS_IN_A_QUERY]


def load(
    connection: Connection, ids: Sequence[str], *, with_verdicts: bool = False
) -> dict[str, Message]:
    """Return the messages that exist, by id, with their copies in order."""
    found: dict[str, Message] = {}
    for part in in_parts(ids):
        table = tables.message
        for row in connection.execute(select(table).where(table.c.id.in_(part))):
            found[row.id] = _message(row)
        _load_copies(connection, part, found)
        if with_verdicts:
            _load_verdicts(connection, part, found)
    return found


def _load_copies(connection: Connection, ids: Sequence[str], found: dict[str, Message]) -> None:
    table = tables.recipient
    query = (
        select(table).where(table.c.message_id.in_(ids)).order_by(table.c.message_id, table.c.place)
    )
    for row in connection.execute(query):
        values = {name: getattr(row, name) for name in _COPY_FIELDS}
        found[row.message_id].copies[row.address] = Copy(address=row.address, **values)


def _load_verdicts(connection: Connection, ids: Sequence[str], found: dict[str, Message]) -> None:
    table = tables.verdict
    query = (
        select(table).where(table.c.message_id.in_(ids)).order_by(table.c.message_id, table.c.place)
    )
    for row in connection.execute(query):
        found[row.message_id].verdicts.append(row.told)


def _message(row: Row[Any]) -> Message:
    values = {name: getattr(row, name) for name in _MESSAGE_FIELDS}
    return Message(id=row.id, node=row.node, shard=row.shard, **values)


def save(
    connection: Connection, messages: Iterable[Message], *, known: dict[str, frozenset[str]]
) -> None:
    """Write messages as they are now.

    Args:
        connection: the transaction.
        messages: those that changed.
        known: for each message that has a row, the addresses that have one.
    """
    changed = list(messages)
    _put(connection, tables.message, [m for m in changed if m.id not in known], _new_message)
    _set_messages(connection, [m for m in changed if m.id in known])
    _save_copies(connection, changed, known)
    _save_verdicts(connection, [m for m in changed if m.verdicts_are_new])


def _put(connection: Connection, table: Any, items: Sequence[Any], values: Any) -> None:
    if items:
        connection.execute(insert(table), [values(item) for item in items])


def _new_message(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "node": message.node,
        "shard": message.shard,
        **{name: getattr(message, name) for name in _MESSAGE_FIELDS},
    }


def _set_messages(connection: Connection, messages: Sequence[Message]) -> None:
    if not messages:
        return
    table = tables.message
    connection.execute(
        update(table)
        .where(table.c.id == bindparam("of_id"))
        .values({name: bindparam(f"new_{name}") for name in _MESSAGE_FIELDS}),
        [
            {"of_id": message.id}
            | {f"new_{name}": getattr(message, name) for name in _MESSAGE_FIELDS}
            for message in messages
        ],
    )


def _save_copies(
    connection: Connection, messages: Sequence[Message], known: dict[str, frozenset[str]]
) -> None:
    added: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for message in messages:
        there = known.get(message.id, frozenset())
        for copy in message.copies.values():
            values = {name: getattr(copy, name) for name in _COPY_FIELDS} | {
                "node": message.node,
                "origin": message.origin,
                "received_us": message.received_us,
            }
            place = {"message_id": message.id, "address": copy.address}
            if copy.address in there:
                changed.append(
                    {f"of_{name}": value for name, value in place.items()}
                    | {f"new_{name}": value for name, value in values.items()}
                )
            else:
                added.append(place | values)
    if added:
        connection.execute(insert(tables.recipient), added)
    if changed:
        _set_copies(connection, changed)


def _set_copies(connection: Connection, rows: list[dict[str, Any]]) -> None:
    table = tables.recipient
    names = (*_COPY_FIELDS, "node", "origin", "received_us")
    connection.execute(
        update(table)
        .where(
            table.c.message_id == bindparam("of_message_id"),
            table.c.address == bindparam("of_address"),
        )
        .values({name: bindparam(f"new_{name}") for name in names}),
        rows,
    )


def _save_verdicts(connection: Connection, messages: Sequence[Message]) -> None:
    for part in in_parts([message.id for message in messages]):
        for table in (tables.verdict, tables.threat):
            connection.execute(delete(table).where(table.c.message_id.in_(part)))
    verdicts = [
        {"message_id": message.id, "place": place, "told": told}
        for message in messages
        for place, told in enumerate(message.verdicts)
    ]
    threats = [
        {
            "message_id": message.id,
            "engine": engine,
            "name": name,
            "received_us": message.received_us,
        }
        for message in messages
        for engine, name in sorted(message.threats)
    ]
    if verdicts:
        connection.execute(insert(tables.verdict), verdicts)
    if threats:
        connection.execute(insert(tables.threat), threats)
