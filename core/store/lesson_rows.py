"""How are lessons read and written in a transaction that somebody else has begun?

Touches the database, on a connection that is given.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, delete, func, insert, select

from common.lessons import Lesson, Truth
from core.store.lesson_tables import lesson, lesson_standing


def same(connection: Connection, customer: str, sha256: bytes) -> tuple[str, Truth] | None:
    """Return the lesson of a message for a customer, and what it says; None: there is none."""
    query = select(lesson.c.id, lesson.c.is_spam).where(
        lesson.c.customer == customer, lesson.c.sha256 == sha256
    )
    row = connection.execute(query).first()
    return None if row is None else (row.id, truth_of(row.is_spam))


def add(
    connection: Connection, told: Lesson, *, sha256: bytes, source: str, who: str, now_us: int
) -> None:
    """Write a lesson."""
    connection.execute(
        insert(lesson).values(
            id=told.id,
            customer=told.customer,
            is_spam=told.truth is Truth.SPAM,
            sha256=sha256,
            size=len(told.octets),
            source=source,
            told_us=now_us,
            told_by=who,
            octets=told.octets,
        )
    )


def remove(connection: Connection, identifier: str) -> None:
    """Remove a lesson, and what became of it."""
    connection.execute(delete(lesson_standing).where(lesson_standing.c.lesson_id == identifier))
    connection.execute(delete(lesson).where(lesson.c.id == identifier))


def size_of(connection: Connection, customer: str) -> tuple[int, int]:
    """Return how many lessons a customer has, and their octets."""
    query = select(func.count(), func.coalesce(func.sum(lesson.c.size), 0)).where(
        lesson.c.customer == customer
    )
    count, size = connection.execute(query).one()
    return int(count), int(size)


def sizes(connection: Connection) -> dict[str, int]:
    """Return the octets of each customer's lessons, the most first."""
    total = func.sum(lesson.c.size).label("total")
    query = select(lesson.c.customer, total).group_by(lesson.c.customer).order_by(total.desc())
    return {row.customer: int(row.total) for row in connection.execute(query)}


def remove_oldest(connection: Connection, customer: str, *, but: str) -> bool:
    """Remove a customer's oldest lesson, another than ``but``; False: there is no other."""
    query = (
        select(lesson.c.id)
        .where(lesson.c.customer == customer, lesson.c.id != but)
        .order_by(lesson.c.told_us, lesson.c.id)
        .limit(1)
    )
    oldest = connection.execute(query).scalar()
    if oldest is None:
        return False
    remove(connection, oldest)
    return True


def waiting_again(
    connection: Connection, node: str, learner: str, *, now_us: int
) -> tuple[Lesson, int] | None:
    """Return the lesson whose next try at a learner is due first, and how many it has had."""
    standing = lesson_standing
    query = (
        select(lesson, standing.c.tries)
        .join(standing, standing.c.lesson_id == lesson.c.id)
        .where(
            standing.c.node == node,
            standing.c.learner == learner,
            standing.c.state == "waiting",
            standing.c.next_us <= now_us,
        )
        .order_by(standing.c.next_us)
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else (_lesson(row), row.tries)


def untold(connection: Connection, node: str, learner: str, *, after: str) -> Lesson | None:
    """Return the first lesson with a later id than ``after`` that a learner was never told."""
    standing = lesson_standing
    is_its = and_(
        standing.c.lesson_id == lesson.c.id,
        standing.c.node == node,
        standing.c.learner == learner,
    )
    query = (
        select(lesson)
        .where(lesson.c.id > after, ~select(standing.c.lesson_id).where(is_its).exists())
        .order_by(lesson.c.id)
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else _lesson(row)


def truth_of(is_spam: bool) -> Truth:
    """Return what a row says."""
    return Truth.SPAM if is_spam else Truth.HAM


def _lesson(row: object) -> Lesson:
    identifier, customer, is_spam, octets = (
        getattr(row, name) for name in ("id", "customer", "is_spam", "octets")
    )
    return Lesson(id=identifier, customer=customer, truth=truth_of(is_spam), octets=octets)
