"""How do the rows of a revision come into the database, at once or some at a time?

Touches the database, in the transactions of whoever asks. What a large revision changes is written
ahead, some rows in each transaction, under the number that it will have: nobody reads a change
whose revision is not there. One short transaction then makes the revision (``switch``), and its
documents go over into ``document`` afterwards, some at a time (``settle``). As long as any are on
their way, the revisions after it leave theirs to the same steps, so that the order is kept.

A core that is killed in between has the revision or does not; ``put_right`` does what is left.

Source: docs/design/link-guarantees.md, G2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)

from common.errors import LocalError
from common.preferences import Document, Epoch, Position, Preferences
from common.records.bounds import NAME_LENGTH_MAX, storable
from core.preferences.ledger import Change
from core.store import tables
from core.store.audit import write_entry
from core.store.bulk import inserting

STEP_ROWS = 400  # in one transaction: some 10 ms
STEP_BYTES = 512 * 1024  # of bodies, likewise

_CHANGES = inserting(tables.change)
_DOCUMENTS = inserting(tables.document)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionNote:
    """What stands beside a revision.

    Args:
        time_us: when, microseconds since the epoch, UTC.
        who: by whom.
        what: for the audit.
        comment: why.
    """

    time_us: int
    who: str
    what: str
    comment: str


class MovedOn(LocalError):
    """Another revision came while the rows of this one were written ahead."""

    def __init__(self) -> None:
        super().__init__("another revision was published meanwhile")


def is_large(documents: Sequence[Document]) -> bool:
    """Say whether documents are too many for one transaction that others wait for."""
    if len(documents) > STEP_ROWS:
        return True
    return sum(len(document.body) for document in documents) > STEP_BYTES


def parts(changes: Sequence[Change]) -> Iterator[tuple[int, Sequence[Change]]]:
    """Return the changes in what goes into one transaction each, with the place of the first."""
    first, octets = 0, 0
    for place, change in enumerate(changes):
        size = len(change.before or b"") + len(change.after or b"")
        if place > first and (place - first == STEP_ROWS or octets + size > 2 * STEP_BYTES):
            yield first, changes[first:place]
            first, octets = place, 0
        octets += size
    if changes:
        yield first, changes[first:]


def position_of(connection: Connection) -> Position:
    """Return where the preferences are; who asks in a transaction that writes has the say."""
    # On a server this row is the lock that makes two replicas publish one after the other.
    row = connection.execute(select(tables.epoch).with_for_update()).one()
    newest = connection.scalar(select(func.max(tables.revision.c.number))) or 0
    return Position(Epoch(row.generation, row.identifier), newest)


def write(
    connection: Connection, made: Preferences, changes: Sequence[Change], note: RevisionNote
) -> None:
    """Write a revision whole."""
    number = made.position.revision
    # What another one wrote ahead under this number will never count.
    connection.execute(delete(tables.change).where(tables.change.c.revision >= number))
    _insert_changes(connection, number, 0, changes)
    _write_revision(connection, made, len(changes), note)
    if is_settled(connection):
        _replace_documents(connection, number, changes)
    else:
        connection.execute(insert(tables.settling).values(revision=number, place=0))


def write_ahead(
    connection: Connection, before: Position, first: int, changes: Sequence[Change]
) -> None:
    """Write some changes of the revision after ``before``.

    Raises:
        MovedOn: there is one already.
    """
    if position_of(connection) != before:
        raise MovedOn
    _insert_changes(connection, before.revision + 1, first, changes)


def switch(
    connection: Connection, before: Position, made: Preferences, count: int, note: RevisionNote
) -> None:
    """Make the revision whose changes were written ahead.

    Raises:
        MovedOn: there is one already, or somebody removed what was written.
    """
    if position_of(connection) != before:
        raise MovedOn
    number = made.position.revision
    change = tables.change
    written = select(func.count()).select_from(change).where(change.c.revision == number)
    if connection.scalar(written) != count:
        raise MovedOn
    _write_revision(connection, made, count, note)
    connection.execute(insert(tables.settling).values(revision=number, place=0))


def is_settled(connection: Connection) -> bool:
    """Say whether all documents stand where they belong."""
    return connection.scalar(select(func.count()).select_from(tables.settling)) == 0


def settle(connection: Connection, limit: int = STEP_ROWS) -> int:
    """Let some documents of the oldest revision that has any on their way go over.

    Returns:
        How many rows this was about; 0: all stand where they belong.
    """
    position_of(connection)  # one replica after the other
    settling, change = tables.settling, tables.change
    due = connection.execute(select(settling).order_by(settling.c.revision).limit(1)).one_or_none()
    if due is None:
        return 0
    query = (
        select(change.c.place, change.c.kind, change.c.key, change.c.after)
        .where(change.c.revision == due.revision, change.c.place >= due.place)
        .order_by(change.c.place)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    _remove(connection, [(row.kind, row.key) for row in rows])
    _DOCUMENTS.run(
        connection,
        [(row.kind, row.key, due.revision, row.after) for row in rows if row.after is not None],
    )
    mine = settling.c.revision == due.revision
    if len(rows) < limit:
        connection.execute(delete(settling).where(mine))
    else:
        connection.execute(update(settling).where(mine).values(place=rows[-1].place + 1))
    return max(1, len(rows))


def sweep(connection: Connection, limit: int = STEP_ROWS) -> int:
    """Delete some changes that were written ahead and never counted; return how many."""
    change, newest = tables.change, position_of(connection).revision
    query = select(change.c.revision, change.c.place).where(change.c.revision > newest).limit(limit)
    rows = connection.execute(query).all()
    if rows:
        key = tuple_(change.c.revision, change.c.place)
        connection.execute(delete(change).where(key.in_([tuple(row) for row in rows])))
    return len(rows)


def put_right(connection: Connection) -> None:
    """Do what a core that ended left undone, all at once: nobody waits yet."""
    change, newest = tables.change, position_of(connection).revision
    connection.execute(delete(change).where(change.c.revision > newest))
    while settle(connection, 10_000):
        pass


def _write_revision(
    connection: Connection, made: Preferences, count: int, note: RevisionNote
) -> None:
    number = made.position.revision
    connection.execute(
        insert(tables.revision).values(
            number=number,
            time_us=note.time_us,
            who=storable(note.who, length_max=NAME_LENGTH_MAX),
            comment=storable(note.comment),
            documents=count,
            digest=made.digest,
        )
    )
    write_entry(
        connection,
        now_us=note.time_us,
        who=note.who,
        what=note.what,
        subject=f"revision {number}",
        detail=note.comment,
    )


def _insert_changes(
    connection: Connection, number: int, first: int, changes: Sequence[Change]
) -> None:
    _CHANGES.run(
        connection,
        [
            (number, place, str(one.kind), one.key, one.scope, one.before, one.after)
            for place, one in enumerate(changes, first)
        ],
    )


def _replace_documents(connection: Connection, number: int, changes: Sequence[Change]) -> None:
    _remove(connection, [(str(c.kind), c.key) for c in changes if c.before is not None])
    _DOCUMENTS.run(
        connection,
        [(str(c.kind), c.key, number, c.after) for c in changes if c.after is not None],
    )


def _remove(connection: Connection, names: Sequence[tuple[str, str]]) -> None:
    table = tables.document
    if names:
        connection.execute(
            delete(table).where(
                table.c.kind == bindparam("old_kind"), table.c.key == bindparam("old_key")
            ),
            [{"old_kind": kind, "old_key": key} for kind, key in names],
        )
