"""Which releases are open, and whose turn is it?

Touches the database, in the transaction of whoever asks. However many there are, a look reads so
many of them: of those that wait the ones that have waited longest since they were assigned, so that
none is passed over for ever; of those that a shard has claimed the next ones after the last look.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, select, update

from core.quarantine.assignment import Place, Release, ReleaseState
from core.quarantine.cases import CaseState
from core.store import release_rows, tables

WAITING_MAX = 1_000  # that are assigned and offered in one look
CLAIMED_MAX = 200  # of one shard that it is reminded of in one look
MOVES_MAX = 200  # in one transaction: others wait for the writer

# A body that was lost is asked for again first.
_has_body = tables.quarantine_case.c.state != str(CaseState.ARRIVING)


def waiting(connection: Connection) -> list[tuple[Release, Place]]:
    """Return releases that nobody has claimed, each with the shard that took the mail."""
    table, case = tables.release, tables.quarantine_case
    query = (
        select(table, case.c.node.label("case_node"), case.c.shard.label("case_shard"))
        .join(case, case.c.message_id == table.c.message_id)
        .where(table.c.state == str(ReleaseState.WAITING), _has_body)
        .order_by(table.c.assigned_us, table.c.id)
        .limit(WAITING_MAX)
    )
    return [
        (release_rows.as_release(row), (row.case_node, row.case_shard))
        for row in connection.execute(query)
    ]


def claimed(connection: Connection, place: Place, *, after: str) -> list[Release]:
    """Return releases that a shard has claimed in its newest life and has still to deliver.

    Args:
        connection: where they are read.
        place: the shard.
        after: the id of the last one of the look before; from the first one on when none is left.
    """
    table, case, shard = tables.release, tables.quarantine_case, tables.shard
    theirs = and_(
        shard.c.node == table.c.node,
        shard.c.shard == table.c.shard,
        shard.c.incarnation == table.c.incarnation,
    )
    query = (
        select(table)
        .join(shard, theirs)
        .join(case, case.c.message_id == table.c.message_id)
        .where(
            _has_body,
            table.c.state == str(ReleaseState.CLAIMED),
            table.c.node == place[0],
            table.c.shard == place[1],
        )
        .order_by(table.c.id)
        .limit(CLAIMED_MAX)
    )
    rows = connection.execute(query.where(table.c.id > after)).all()
    if not rows and after:
        rows = connection.execute(query).all()
    return [release_rows.as_release(row) for row in rows]


def move(
    connection: Connection, moves: Sequence[tuple[Release, Place]], *, now_us: int
) -> set[str]:
    """Assign releases anew, and return the ids of those that still waited as they were read."""
    table = tables.release
    moved: set[str] = set()
    for release, place in moves:
        as_read = and_(
            table.c.id == release.id,
            table.c.state == str(ReleaseState.WAITING),
            table.c.assigned_us == release.assigned_us,
        )
        values = {"node": place[0], "shard": place[1], "assigned_us": now_us}
        if connection.execute(update(table).where(as_read).values(values)).rowcount:
            moved.add(release.id)
    return moved
