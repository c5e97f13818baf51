"""Where is a message, and what happened to it?

Touches the database; only reads, and every way in has an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from sqlalchemy import Connection, Select, select, text, union

from common.records import Event
from core.records.messages import Message
from core.records.search import (
    LOOKS,
    FoundRecord,
    Query,
    What,
    event_json,
    iso_time,
    judged_json,
    message_json,
    parse_query,
)
from core.store import message_rows, tables

MESSAGES_MAX = 1_000  # in one answer
EVENTS_MAX = 1_000  # of one message; one that is tried for seven days has some four hundred


def track(connection: Connection, asked: str, *, limit: int) -> list[dict[str, Any]]:
    """Return the messages that a query names, the newest first."""
    query = parse_query(asked)
    if query is None:
        return []
    ids = _ids(connection, query, limit=max(0, min(limit, MESSAGES_MAX)))
    found = message_rows.load(connection, ids)
    present = [found[name] for name in ids if name in found]
    return [message_json(message, _told(connection, message)) for message in present]


def judged(connection: Connection, *, before: str, limit: int) -> dict[str, Any]:
    """Return ``messages``, what the newest ones were judged by, the newest first, and ``next``.

    Args:
        before: an id; only older ones. Empty: the newest of all.
        limit: looks at so many messages; those that nobody judged are left out. ``next`` is where
            the older ones begin, empty: there are none.
    """
    table = tables.message
    query = select(table.c.id).where(table.c.origin == "smtp").order_by(table.c.id.desc())
    if before:
        query = query.where(table.c.id < before)
    ids = list(connection.scalars(query.limit(max(0, min(limit, MESSAGES_MAX)))))
    found = message_rows.load(connection, ids)
    messages = [
        judged_json(found[name], _told(connection, found[name], events=LOOKS))
        for name in ids
        if name in found and found[name].is_judged
    ]
    return {"messages": messages, "next": ids[-1] if len(ids) == limit else ""}


def node_events(connection: Connection, *, node: str | None, limit: int) -> list[dict[str, Any]]:
    """Return records in the lives of nodes, the newest first; refusals are found by themselves."""
    table = tables.log_record
    query = (
        select(table)
        .where(text(tables.IS_NODE_EVENT))
        .order_by(table.c.time_us.desc(), table.c.sequence.desc())
        .limit(max(0, min(limit, EVENTS_MAX)))
    )
    if node is not None:
        query = query.where(table.c.node == node)
    return [
        {"time": iso_time(row.time_us), "node": row.node, "shard": row.shard}
        | event_json(_as_told(row))
        for row in connection.execute(query)
    ]


def _ids(connection: Connection, query: Query, *, limit: int) -> list[str]:
    message, recipient = tables.message, tables.recipient
    match query.what:
        case What.MESSAGE:
            return [query.value]
        case What.MESSAGE_ID:
            return _newest(
                connection,
                [_from_message(message.c.message_id_header == query.value)],
                limit,
            )
        case What.ADDRESS:
            return _newest(
                connection,
                [
                    _from_message(message.c.sender_folded == query.value),
                    _from_recipient(recipient.c.folded == query.value),
                ],
                limit,
            )
        case What.DOMAIN:
            return _newest(
                connection,
                [
                    _from_message(message.c.sender_domain == query.value),
                    _from_recipient(recipient.c.domain == query.value),
                ],
                limit,
            )
        case What.CLIENT:
            return _newest(connection, [_from_message(message.c.client == query.value)], limit)
        case _:
            assert_never(query.what)


def _from_message(condition: Any) -> Select[Any]:
    table = tables.message
    return select(table.c.id.label("id"), table.c.received_us.label("received_us")).where(condition)


def _from_recipient(condition: Any) -> Select[Any]:
    table = tables.recipient
    return select(table.c.message_id.label("id"), table.c.received_us.label("received_us")).where(
        condition
    )


def _newest(connection: Connection, queries: Sequence[Select[Any]], limit: int) -> list[str]:
    """Return the newest ids of several queries; each reads only as far as its own index must."""
    # One message may have several recipients that match: read some more, then count messages.
    parts = [
        select(
            query.order_by(query.selected_columns.received_us.desc()).limit(limit * 4).subquery()
        )
        for query in queries
    ]
    found = union(*parts).subquery()
    ordered = (
        select(found.c.id)
        .distinct()
        .add_columns(found.c.received_us)
        .order_by(found.c.received_us.desc(), found.c.id.desc())
        .limit(limit)
    )
    return [row.id for row in connection.execute(ordered)]


def _told(
    connection: Connection, message: Message, *, events: Sequence[Event] = ()
) -> list[FoundRecord]:
    """Return a message's records as its own shard sent them, in their order.

    Args:
        events: only these; empty: all.
    """
    table = tables.log_record
    query = (
        select(table)
        .where(
            table.c.message_id == message.id,
            table.c.node == message.node,
            table.c.shard == message.shard,
        )
        .order_by(table.c.incarnation, table.c.sequence)
        .limit(EVENTS_MAX)
    )
    if events:
        query = query.where(table.c.event.in_(events))
    return [_as_told(row) for row in connection.execute(query)]


def _as_told(row: Any) -> FoundRecord:
    return FoundRecord(time_us=row.time_us, event=row.event, fields=row.fields, flaw=row.flaw)
