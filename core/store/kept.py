"""How much is kept of each class, since when, and how much room does it take?

Touches the database; only reads. Nothing is counted that could be millions: there the numbers of
the first and the last row, or what a server has as its statistics, say about how many there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, select, text

from core.quarantine.cases import CaseState
from core.records.reports import DAY_US
from core.store import old_rows, tables

LIVES_MAX = 1_000  # whose oldest record is looked for

KEEPING = (CaseState.HELD, CaseState.RELEASING, CaseState.RELEASED)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of one class.

    Args:
        rows: how many, about.
        oldest_us: since when, microseconds since the epoch, UTC; 0: there is none.
    """

    rows: int
    oldest_us: int


@dataclass(frozen=True, slots=True)
class Room:
    """What the database takes on its disk, in octets.

    Args:
        database_bytes: all of it.
        unused_bytes: what of it is free again; 0 where only the server knows.
    """

    database_bytes: int
    unused_bytes: int


def kept(connection: Connection) -> Mapping[str, Kept]:
    """Return what is kept, by the class."""
    message, refusal, audit = tables.message, tables.refusal, tables.audit
    revision, look = tables.revision, tables.look_answer
    first_audit = select(audit.c.time_us).order_by(audit.c.id).limit(1)
    first_revision = select(revision.c.time_us).order_by(revision.c.number).limit(1)
    first_day = connection.scalar(select(func.min(look.c.day)))
    return {
        "records": Kept(_about(connection, tables.log_record), _oldest_record(connection)),
        "refusals": Kept(
            _about(connection, refusal), connection.scalar(select(func.min(refusal.c.time_us))) or 0
        ),
        "messages": Kept(
            _about(connection, message),
            connection.scalar(select(func.min(message.c.received_us))) or 0,
        ),
        "bodies": _cases(connection, KEEPING),
        "cases": _cases(connection, (CaseState.DELETED,)),
        "arriving": _cases(connection, (CaseState.ARRIVING,)),
        "changes": Kept(_about(connection, tables.change), connection.scalar(first_revision) or 0),
        "audit": Kept(_about(connection, audit), connection.scalar(first_audit) or 0),
        "look_counts": Kept(
            connection.scalar(select(func.count()).select_from(look)) or 0,
            (first_day or 0) * DAY_US,
        ),
        "outboxes": Kept(
            connection.scalar(select(func.count()).select_from(tables.outbox)) or 0, 0
        ),
    }


def room(connection: Connection) -> Room:
    """Return what the database takes."""
    if connection.dialect.name == "postgresql":
        size = connection.scalar(text("SELECT pg_database_size(current_database())"))
        return Room(int(size or 0), 0)
    page = _pragma(connection, "page_size")
    return Room(
        page * _pragma(connection, "page_count"), page * _pragma(connection, "freelist_count")
    )


def _pragma(connection: Connection, name: str) -> int:
    return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)


def _about(connection: Connection, table: Table) -> int:
    """Return about how many rows a table has that come in at its end and go at its beginning."""
    if connection.dialect.name == "postgresql":
        known = text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")
        return max(0, int(connection.scalar(known, {"name": table.name}) or 0))
    number = text("rowid")
    first, last = connection.execute(
        select(
            select(number).select_from(table).order_by(text("rowid")).limit(1).scalar_subquery(),
            select(number)
            .select_from(table)
            .order_by(text("rowid DESC"))
            .limit(1)
            .scalar_subquery(),
        )
    ).one()
    return 0 if last is None else int(last - first + 1)


def _cases(connection: Connection, states: tuple[CaseState, ...]) -> Kept:
    table = tables.quarantine_case
    rows, oldest_us = 0, 0
    for state in states:
        query = select(func.count(), func.min(table.c.opened_us)).where(table.c.state == str(state))
        count, first_us = connection.execute(query).one()
        rows += count
        if count:
            oldest_us = min(oldest_us or first_us, first_us)
    return Kept(rows, oldest_us)


def _oldest_record(connection: Connection) -> int:
    table = tables.log_record
    found = []
    for node, shard, incarnation in old_rows.lives(connection)[:LIVES_MAX]:
        theirs = (table.c.node == node, table.c.shard == shard, table.c.incarnation == incarnation)
        query = select(table.c.taken_us).where(*theirs).order_by(table.c.sequence).limit(1)
        found.append(connection.scalar(query) or 0)
    return min((one for one in found if one), default=0)
