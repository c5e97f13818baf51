"""Which revision changed what?

Touches the database; only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from common.pacing import GoesThrough
from common.preferences import Epoch, Kind, Position
from core.preferences.ledger import Change, Published, Revision
from core.store import tables

REVISIONS_MAX = 500  # in one answer
CHANGES_SHOWN_MAX = 200  # of one revision; the first one may have a hundred thousand
WEIGHT_CHANGES_MAX = 50_000  # that are looked at to know the weights of an earlier revision
ANSWER_BYTES_MAX = (
    8 * 1024 * 1024
)  # of bodies in one answer, beyond which it takes no revision more


def changes_after(connection: Connection, revision: int) -> Iterator[Change]:
    """Return every change after a revision, the oldest first."""
    table = tables.change
    query = (
        select(table)
        .where(table.c.revision > revision, table.c.revision <= newest(connection))
        .order_by(table.c.revision, table.c.place)
    )
    return (_change(row) for row in connection.execute(query))


def documents_count_after(connection: Connection, revision: int) -> int:
    """Return how many changes there are after a revision."""
    table = tables.revision
    query = select(func.sum(table.c.documents)).where(table.c.number > revision)
    return int(connection.scalar(query) or 0)


def weight_changes_after(
    connection: Connection, revision: int
) -> list[tuple[int, str, bytes | None]]:
    """Return revision, key and former body of each change to a weight, the newest first.

    Of very many the newest alone.
    """
    table = tables.change
    query = (
        select(table.c.revision, table.c.key, table.c.before)
        .where(
            table.c.kind == str(Kind.WEIGHT),
            table.c.revision > revision,
            table.c.revision <= newest(connection),
        )
        .order_by(table.c.revision.desc(), table.c.place)
        .limit(WEIGHT_CHANGES_MAX)
    )
    return [(row.revision, row.key, row.before) for row in connection.execute(query)]


def published_after(
    connection: Connection, revision: int, *, epoch: Epoch, limit: int, pace: GoesThrough = iter
) -> list[Published]:
    """Return the revisions after ``revision`` with at most ``limit`` documents, but at least one.

    Raises nothing of its own; there may be none.

    Args:
        connection: to read with.
        revision: what the asker has.
        epoch: of all of them.
        limit: documents.
        pace: goes through the rows.
    """
    chosen = _revisions_within(connection, revision, limit)
    if not chosen:
        return []
    table = tables.change
    query = (
        select(table)
        .where(table.c.revision.between(chosen[0].number, chosen[-1].number))
        .order_by(table.c.revision, table.c.place)
    )
    changes = {
        number: [_change(row) for row in rows]
        for number, rows in groupby(pace(connection.execute(query)), lambda row: row.revision)
    }
    if any(row.number not in changes for row in chosen):
        return []  # they went while this was read: who asked gets everything
    return [
        Published(
            position=Position(epoch, row.number),
            digest=row.digest,
            documents=tuple(one.document(row.number) for one in pace(changes[row.number])),
            time_us=row.time_us,
            who=row.who,
            comment=row.comment,
        )
        for row in chosen
    ]


def newest(connection: Connection) -> int:
    """Return the newest revision; 0 when there is none. Changes beyond it are none yet."""
    return connection.scalar(select(func.max(tables.revision.c.number))) or 0


def oldest(connection: Connection) -> int:
    """Return the oldest revision that is kept; 0 when there is none."""
    return connection.scalar(select(func.min(tables.revision.c.number))) or 0


def digest_at(connection: Connection, revision: int) -> bytes | None:
    """Return the digest of the whole set at a revision, or None when it is not kept."""
    table = tables.revision
    return connection.scalar(select(table.c.digest).where(table.c.number == revision))


def revisions(
    connection: Connection,
    *,
    scope: str | None,
    kind: Kind | None,
    key: str | None,
    before: int | None,
    limit: int,
) -> list[Revision]:
    """Return revisions with the changes that match, the newest first.

    Fewer than ``limit`` when they hold much: whoever wants more asks ``before`` the last of them.
    """
    wanted = _matching(scope, kind, key)
    table = tables.revision
    query = select(table).order_by(table.c.number.desc()).limit(min(limit, REVISIONS_MAX))
    if wanted is None and before is not None:
        query = query.where(table.c.number < before)
    elif wanted is not None:
        query = query.where(table.c.number.in_(_newest(wanted, before, min(limit, REVISIONS_MAX))))
    found: list[Revision] = []
    answer_bytes = 0
    for row in connection.execute(query).all():
        changes = tuple(_changes_of(connection, row.number, wanted))
        answer_bytes += sum(len(one.before or b"") + len(one.after or b"") for one in changes)
        if found and answer_bytes > ANSWER_BYTES_MAX:
            break
        found.append(
            Revision(
                number=row.number,
                time_us=row.time_us,
                who=row.who,
                comment=row.comment,
                changes=changes,
                changes_count=row.documents,
            )
        )
    return found


def _revisions_within(connection: Connection, revision: int, limit: int) -> list[Row[Any]]:
    table = tables.revision
    # Each has a document at least: so no driver fetches more than can be chosen.
    query = select(table).where(table.c.number > revision).order_by(table.c.number)
    query = query.limit(max(1, limit) + 1)
    chosen: list[Row[Any]] = []
    documents = 0
    with connection.execute(query) as rows:
        for row in rows:
            documents += row.documents
            if chosen and documents > limit:
                break
            chosen.append(row)
    return chosen


def _newest(wanted: ColumnElement[bool], before: int | None, limit: int) -> Select[Any]:
    """Return the numbers of the newest revisions that changed what is asked for."""
    number = tables.change.c.revision
    query = select(number).distinct().where(wanted).order_by(number.desc()).limit(limit)
    return query if before is None else query.where(number < before)


def _matching(scope: str | None, kind: Kind | None, key: str | None) -> ColumnElement[bool] | None:
    table = tables.change
    conditions: list[ColumnElement[bool]] = []
    if scope is not None:
        conditions.append(table.c.scope == scope)
    if kind is not None:
        conditions.append(table.c.kind == str(kind))
    elif key is not None:
        conditions.append(table.c.kind.in_([str(one) for one in Kind]))  # as its index begins
    if key is not None:
        conditions.append(table.c.key == key)
    return and_(*conditions) if conditions else None


def _changes_of(
    connection: Connection, number: int, wanted: ColumnElement[bool] | None
) -> Iterable[Change]:
    table = tables.change
    query = (
        select(table)
        .where(table.c.revision == number)
        .order_by(table.c.place)
        .limit(CHANGES_SHOWN_MAX)
    )
    if wanted is not None:
        query = query.where(wanted)
    return [_change(row) for row in connection.execute(query)]


def _change(row: Row[Any]) -> Change:
    return Change(Kind(row.kind), row.key, row.scope, row.before, row.after)
