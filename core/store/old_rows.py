"""Which rows were kept for long enough, and are not wanted any more?

Touches the database, in the transaction of whoever asks. Each function looks at, or deletes, so
many rows and no more: a step is over before anybody waits for it. Age goes by our own clock, since
a node's may be wrong; only a message has nothing but its node's, and so stays while records of it
do, which have ours. What is looked for is found by an index, from its old end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from core.quarantine.assignment import ReleaseState
from core.quarantine.cases import CaseState
from core.store import tables

STEP_ROWS = 500  # looked at, or deleted, in one transaction
MESSAGES_STEP = 150  # messages have recipients, threats, and ten indexes
CASES_STEP = 50  # cases have heads, recipients and releases
REVISIONS_KEPT = 100  # the newest ones stay, however old: there is always a way back

Life = tuple[str, int, str]  # node, shard, incarnation


@dataclass(frozen=True, slots=True)
class OldPage:
    """Rows that were looked at, in order.

    Args:
        gone: the keys of those that may go.
        after: where the next page begins; None: the others are young, or there are none.
    """

    gone: Sequence[Any]
    after: Any


def lives(connection: Connection) -> list[Life]:
    """Return every life of a shard that has sent records."""
    table = tables.outbox
    query = select(table.c.node, table.c.shard, table.c.incarnation)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def old_records(
    connection: Connection, life: Life, *, after: int, before_us: int, unended_us: int
) -> OldPage:
    """Return sequences of a life's records that were taken before a time.

    Records of a message that has not ended stay, unless they were taken before ``unended_us``: its
    end may be lost, and then nobody waits for it any more.
    """
    table = tables.log_record
    columns = (table.c.sequence, table.c.taken_us, table.c.message_id)
    query = select(*columns).where(_of_life(table, life), table.c.sequence > after)
    rows = connection.execute(query.order_by(table.c.sequence).limit(STEP_ROWS)).all()
    old = [row for row in rows if row.taken_us < before_us]
    unended = _unended(connection, {row.message_id for row in old if row.message_id})
    gone = [
        row.sequence for row in old if row.message_id not in unended or row.taken_us < unended_us
    ]
    return OldPage(gone, _next(rows, old, lambda row: row.sequence))


def old_refusals(connection: Connection, life: Life, *, after: int, before_us: int) -> OldPage:
    """Return sequences of a life's refusals that were taken before a time."""
    table, record = tables.refusal, tables.log_record
    its_record = and_(_of_life(record, life), record.c.sequence == table.c.sequence)
    query = (
        select(table.c.sequence, record.c.taken_us)
        .join(record, its_record, isouter=True)
        .where(_of_life(table, life), table.c.sequence > after)
        .order_by(table.c.sequence)
        .limit(STEP_ROWS)
    )
    rows = connection.execute(query).all()
    old = [row for row in rows if (row.taken_us or 0) < before_us]
    return OldPage([row.sequence for row in old], _next(rows, old, lambda row: row.sequence))


def delete_records(connection: Connection, sequences: Sequence[int], *, life: Life) -> int:
    """Delete records, and the ways in to those that are refusals."""
    for table in (tables.refused_address, tables.refusal, tables.log_record):
        found = and_(_of_life(table, life), table.c.sequence.in_(sequences))
        connection.execute(delete(table).where(found))
    return len(sequences)


def old_messages(
    connection: Connection, *, from_us: int, before_us: int, unended_us: int
) -> OldPage:
    """Return ids of messages that were received in a time, and of which no record is left.

    Args:
        connection: where they are read.
        from_us, before_us: the time, as their nodes had it.
        unended_us: those that have not ended stay, unless they were received before this.
    """
    table, record = tables.message, tables.log_record
    has_records = exists().where(
        record.c.message_id == table.c.id,
        record.c.node == table.c.node,
        record.c.shard == table.c.shard,
    )
    query = (
        select(table.c.id, table.c.received_us, has_records.label("has_records"))
        .where(table.c.received_us >= from_us, table.c.received_us < before_us)
        .order_by(table.c.received_us)
        .limit(MESSAGES_STEP)
    )
    rows = connection.execute(query).all()
    bare = [row for row in rows if not row.has_records]
    unended = _unended(connection, {row.id for row in bare})
    gone = [row.id for row in bare if row.id not in unended or row.received_us < unended_us]
    if len(rows) < MESSAGES_STEP:
        return OldPage(gone, None)
    last_us = rows[-1].received_us
    return OldPage(gone, last_us if last_us > from_us else last_us + 1)


def delete_messages(connection: Connection, ids: Sequence[str]) -> int:
    """Delete messages, and what is derived from them."""
    for table in (tables.threat, tables.recipient):
        connection.execute(delete(table).where(table.c.message_id.in_(ids)))
    lost = tables.lost_copy  # what nobody has seen stays until somebody has
    connection.execute(delete(lost).where(lost.c.message_id.in_(ids), lost.c.seen_us > 0))
    connection.execute(delete(tables.message).where(tables.message.c.id.in_(ids)))
    return len(ids)


def old_cases(connection: Connection, *, after: tuple[int, str], before_us: int) -> OldPage:
    """Return ids of cases whose bodies are deleted, and that were opened before a time."""
    table = tables.quarantine_case
    query = (
        select(table.c.message_id, table.c.opened_us, _is_open().label("is_open"))
        .where(_opened(CaseState.DELETED, after, before_us))
        .order_by(table.c.opened_us, table.c.message_id)
        .limit(CASES_STEP)
    )
    rows = connection.execute(query).all()
    gone = [row.message_id for row in rows if not row.is_open]
    return OldPage(gone, _place(rows[-1]) if len(rows) == CASES_STEP else None)


def dead_arrivals(connection: Connection, *, after: tuple[int, str], before_us: int) -> OldPage:
    """Return ids of cases that never arrived, and whose life of a shard is over.

    It is when a later one has spoken, or nothing was heard of the shard since ``before_us``. Should
    it come back it tells of its mail again, of which it has the body.
    """
    table, shard = tables.quarantine_case, tables.shard
    is_over = or_(
        shard.c.incarnation.is_(None),
        shard.c.incarnation != table.c.incarnation,
        shard.c.last_seen_us < before_us,
    )
    theirs = and_(shard.c.node == table.c.node, shard.c.shard == table.c.shard)
    query = (
        select(table.c.message_id, table.c.opened_us, (is_over & ~_is_open()).label("is_over"))
        .join(shard, theirs, isouter=True)
        .where(_opened(CaseState.ARRIVING, after, before_us))
        .order_by(table.c.opened_us, table.c.message_id)
        .limit(CASES_STEP)
    )
    rows = connection.execute(query).all()
    gone = [row.message_id for row in rows if row.is_over]
    return OldPage(gone, _place(rows[-1]) if len(rows) == CASES_STEP else None)


def delete_cases(connection: Connection, ids: Sequence[str], *, state: CaseState) -> int:
    """Delete cases that are still in a state, with their recipients and releases."""
    table = tables.quarantine_case
    as_read = and_(table.c.message_id.in_(ids), table.c.state.concat("") == str(state))
    still = list(connection.scalars(select(table.c.message_id).where(as_read)))
    for one in (tables.release, tables.case_recipient, table):
        connection.execute(delete(one).where(one.c.message_id.in_(still)))
    return len(still)


def delete_revisions(connection: Connection, *, before_us: int) -> int:
    """Delete the oldest revisions of before a time, some of them, and return how many that were.

    What they changed goes afterwards: who looks for a revision looks here first, and learns that it
    is not kept.
    """
    table = tables.revision
    newest = connection.scalar(select(func.max(table.c.number))) or 0
    query = (
        select(table.c.number, table.c.time_us)
        .where(table.c.number <= newest - REVISIONS_KEPT)
        .order_by(table.c.number)
        .limit(STEP_ROWS)
    )
    last = None
    count = 0
    for row in connection.execute(query).all():
        if row.time_us >= before_us:
            break
        last, count = row.number, count + 1
    if last is not None:
        connection.execute(delete(table).where(table.c.number <= last))
    return count


def delete_changes(connection: Connection) -> int:
    """Delete changes whose revision is not kept, some of them; return how many that were."""
    table, revision = tables.change, tables.revision
    first = connection.scalar(select(func.min(revision.c.number)))
    if first is None:
        return 0
    key = (table.c.revision, table.c.place)
    query = select(*key).where(table.c.revision < first).order_by(*key).limit(STEP_ROWS)
    return delete_by_key(connection, table, connection.execute(query).all())


def delete_audit(connection: Connection, *, before_us: int) -> int:
    """Delete the oldest entries of before a time, some of them; return how many that were."""
    table = tables.audit
    query = select(table.c.id, table.c.time_us).order_by(table.c.id).limit(STEP_ROWS)
    old = [row.id for row in connection.execute(query) if row.time_us < before_us]
    if old:
        connection.execute(delete(table).where(table.c.id.in_(old)))
    return len(old)


def delete_outboxes(connection: Connection) -> int:
    """Delete the positions of lives that are over and of which no record is left.

    A later life has spoken, so that this one is turned away before anybody looks for its position.
    """
    table, shard, record = tables.outbox, tables.shard, tables.log_record
    key = (table.c.node, table.c.shard, table.c.incarnation)
    has_records = exists().where(
        record.c.node == table.c.node,
        record.c.shard == table.c.shard,
        record.c.incarnation == table.c.incarnation,
    )
    query = (
        select(*key)
        .join(shard, and_(shard.c.node == table.c.node, shard.c.shard == table.c.shard))
        .where(shard.c.incarnation != table.c.incarnation, ~has_records)
        .limit(STEP_ROWS)
    )
    return delete_by_key(connection, table, connection.execute(query).all())


def delete_before(connection: Connection, table: Table, column: str, before_us: int) -> int:
    """Delete rows of before a time by a column that is an index; return how many that were."""
    key = list(table.primary_key)
    query = select(*key).where(table.c[column] < before_us).order_by(table.c[column])
    return delete_by_key(connection, table, connection.execute(query.limit(STEP_ROWS)).all())


def delete_by_key(connection: Connection, table: Table, keys: Sequence[Sequence[Any]]) -> int:
    """Delete rows by their primary keys."""
    if keys:
        names = [column.name for column in table.primary_key]
        found = and_(*(table.c[name] == bindparam(f"of_{name}") for name in names))
        of = [f"of_{name}" for name in names]
        rows = [dict(zip(of, key, strict=True)) for key in keys]
        connection.execute(delete(table).where(found), rows)
    return len(keys)


def _of_life(table: Table, life: Life) -> ColumnElement[bool]:
    node, shard, incarnation = life
    return and_(table.c.node == node, table.c.shard == shard, table.c.incarnation == incarnation)


def _unended(connection: Connection, ids: Collection[str]) -> set[str]:
    """Return those of some messages that have a recipient who waits for his outcome."""
    table = tables.recipient
    query = select(table.c.message_id).where(
        table.c.message_id.in_(sorted(ids)), table.c.ended_us == 0
    )
    return set(connection.scalars(query)) if ids else set()


def _opened(state: CaseState, after: tuple[int, str], before_us: int) -> ColumnElement[bool]:
    table = tables.quarantine_case
    return and_(
        table.c.state == str(state),
        tuple_(table.c.opened_us, table.c.message_id) > tuple_(*after),
        table.c.opened_us < before_us,
    )


def _is_open() -> ColumnElement[bool]:
    """Say whether a release of a case is not done."""
    case, release = tables.quarantine_case, tables.release
    return exists().where(
        release.c.message_id == case.c.message_id,
        release.c.state.concat("") != str(ReleaseState.DONE),
    )


def _place(row: Row[Any]) -> tuple[int, str]:
    return row.opened_us, row.message_id


def _next(rows: Sequence[Any], old: Sequence[Any], place: Any) -> Any:
    """Return where the page after begins: when this one was full, and all of it old."""
    is_full = len(rows) == STEP_ROWS and len(old) == len(rows)
    return place(rows[-1]) if is_full else None
