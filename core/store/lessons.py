"""Which lessons are kept for the filters that learn, and what has become of each?

Touches the database. A lesson and its entry of the audit are one transaction. What is kept is
bounded: of a customer, and in all, where those who have told the most lose their oldest first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, delete, func, insert, select, update

from common.clock import Clock
from common.lessons import Lesson
from common.settings.core import LearningSettings
from core.store import lesson_rows
from core.store.audit import write_entry
from core.store.lesson_tables import learner as learners_table
from core.store.lesson_tables import lesson as lessons_table
from core.store.lesson_tables import lesson_standing
from core.store.writer import StoreReaders, StoreWriter

CUSTOMERS_MAX = 1_000  # in one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class DueLesson:
    """A lesson that a learner is to be told now.

    Args:
        lesson: it.
        tries: how many it has had there.
        is_new: it was never told there.
    """

    lesson: Lesson
    tries: int
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonStanding:
    """What is kept of a lesson at a learner.

    Args:
        state: waiting, learned, known or refused.
        tries: how many it has had.
        next_us: when the next one is due; 0: now, or never.
        reason: why it is not learned.
    """

    state: str
    tries: int
    next_us: int = 0
    reason: str = ""


class LessonStore:
    """The tables of lessons."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders, clock: Clock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock

    async def tell(
        self, told: Lesson, *, source: str, who: str, bounds: LearningSettings
    ) -> tuple[str, bool]:
        """Keep a lesson; return its id, and whether it says something new.

        What was said of the same message for the same customer before is taken back.
        """
        now_us = self._clock.now_us()
        sha256 = hashlib.sha256(told.octets).digest()

        def work(connection: Connection) -> tuple[str, bool]:
            write_entry(
                connection,
                now_us=now_us,
                who=who,
                what=f"lesson.{told.truth}",
                subject=told.customer,
                detail=f"{source}; sha256 {sha256.hex()}",
            )
            stands = lesson_rows.same(connection, told.customer, sha256)
            if stands is not None and stands[1] is told.truth:
                return stands[0], False
            if stands is not None:
                lesson_rows.remove(connection, stands[0])
            lesson_rows.add(connection, told, sha256=sha256, source=source, who=who, now_us=now_us)
            _bound(connection, told, bounds)
            return told.id, True

        return await self._writer.run(work)

    async def came(self, node: str, learners: Collection[str]) -> None:
        """Note which filters of a node learn; what was known of others of it is forgotten."""
        now_us = self._clock.now_us()

        def work(connection: Connection) -> None:
            for table in (learners_table, lesson_standing):
                connection.execute(
                    delete(table).where(table.c.node == node, table.c.learner.not_in(learners))
                )
            for name in learners:
                is_its = (learners_table.c.node == node) & (learners_table.c.learner == name)
                seen = update(learners_table).where(is_its).values(heard_us=now_us)
                if not connection.execute(seen).rowcount:
                    connection.execute(
                        insert(learners_table).values(node=node, learner=name, heard_us=now_us)
                    )

        await self._writer.run(work)

    async def due(self, node: str, learner: str, *, after: str) -> DueLesson | None:
        """Return what a learner is to be told now.

        Args:
            node, learner: which.
            after: of those that it was never told, only one with a later id.
        """
        now_us = self._clock.now_us()

        def read(connection: Connection) -> DueLesson | None:
            again = lesson_rows.waiting_again(connection, node, learner, now_us=now_us)
            if again is not None:
                return DueLesson(lesson=again[0], tries=again[1], is_new=False)
            first = lesson_rows.untold(connection, node, learner, after=after)
            return DueLesson(lesson=first, tries=0, is_new=True) if first is not None else None

        return await self._readers.link.run(read)

    async def stands(
        self, lesson_id: str, node: str, learner: str, standing: LessonStanding
    ) -> None:
        """Note what has become of a lesson at a learner; one that is gone meanwhile has nothing."""
        now_us = self._clock.now_us()
        table = lesson_standing

        def work(connection: Connection) -> None:
            is_its = (
                (table.c.lesson_id == lesson_id)
                & (table.c.node == node)
                & (table.c.learner == learner)
            )
            connection.execute(delete(table).where(is_its))
            known = select(lessons_table.c.id).where(lessons_table.c.id == lesson_id)
            if connection.execute(known).first() is None:
                return
            connection.execute(
                insert(table).values(
                    lesson_id=lesson_id,
                    node=node,
                    learner=learner,
                    state=standing.state,
                    tries=standing.tries,
                    next_us=standing.next_us,
                    changed_us=now_us,
                    reason=standing.reason,
                )
            )

        await self._writer.run(work)

    async def again(self, node: str, *, who: str) -> int:
        """Have all lessons told to a node's learners anew; return how many were told before."""
        now_us = self._clock.now_us()

        def work(connection: Connection) -> int:
            write_entry(connection, now_us=now_us, who=who, what="lesson.again", subject=node)
            gone = delete(lesson_standing).where(lesson_standing.c.node == node)
            return connection.execute(gone).rowcount

        return await self._writer.run(work)

    async def forget(self, customer: str, *, who: str) -> int:
        """Remove a customer's lessons; return how many they were."""
        now_us = self._clock.now_us()

        def work(connection: Connection) -> int:
            write_entry(connection, now_us=now_us, who=who, what="lesson.forget", subject=customer)
            return _remove_where(connection, lessons_table.c.customer == customer)

        return await self._writer.run(work)

    async def forget_before(self, time_us: int) -> int:
        """Remove lessons told before a time, and learners not heard since; return how many."""

        def work(connection: Connection) -> int:
            connection.execute(delete(learners_table).where(learners_table.c.heard_us < time_us))
            return _remove_where(connection, lessons_table.c.told_us < time_us)

        return await self._writer.run(work)

    async def customers(self) -> list[dict[str, Any]]:
        """Return who has how many lessons, those with the most octets first."""
        table = lessons_table
        size = func.sum(table.c.size).label("octets")
        spam = func.sum(table.c.is_spam.cast(Integer)).label("spam")
        query = (
            select(table.c.customer, func.count().label("lessons"), spam, size)
            .group_by(table.c.customer)
            .order_by(size.desc(), table.c.customer)
            .limit(CUSTOMERS_MAX)
        )

        def read(connection: Connection) -> list[dict[str, Any]]:
            return [
                {
                    "customer": row.customer,
                    "spam": int(row.spam),
                    "ham": int(row.lessons) - int(row.spam),
                    "octets": int(row.octets),
                }
                for row in connection.execute(query)
            ]

        return await self._readers.link.run(read)

    async def progress(self) -> list[dict[str, Any]]:
        """Return how far each learner is, and the reason that one gave last."""
        return await self._readers.people.run(_progress)


def _progress(connection: Connection) -> list[dict[str, Any]]:
    table = lesson_standing
    counts: dict[tuple[str, str], dict[str, int]] = {}
    grouped = select(table.c.node, table.c.learner, table.c.state, func.count()).group_by(
        table.c.node, table.c.learner, table.c.state
    )
    for node, name, state, number in connection.execute(grouped):
        counts.setdefault((node, name), {})[state] = number
    in_all = connection.execute(select(func.count()).select_from(lessons_table)).scalar_one()
    order = (learners_table.c.node, learners_table.c.learner)
    found: list[dict[str, Any]] = []
    for row in connection.execute(select(learners_table).order_by(*order)).all():
        known = counts.get((row.node, row.learner), {})
        done = {state: known.get(state, 0) for state in ("learned", "known", "refused")}
        found.append(
            {
                "node": row.node,
                "learner": row.learner,
                "heard_us": row.heard_us,
                "waiting": max(0, in_all - sum(done.values())),
                **done,
                "reason": _last_reason(connection, row.node, row.learner),
            }
        )
    return found


def _last_reason(connection: Connection, node: str, name: str) -> str:
    table = lesson_standing
    query = (
        select(table.c.reason)
        .where(table.c.node == node, table.c.learner == name, table.c.reason != "")
        .order_by(table.c.changed_us.desc())
        .limit(1)
    )
    return connection.execute(query).scalar() or ""


def _bound(connection: Connection, told: Lesson, bounds: LearningSettings) -> None:
    count, size = lesson_rows.size_of(connection, told.customer)
    while count > bounds.lessons_per_customer or size > bounds.bytes_per_customer:
        if not lesson_rows.remove_oldest(connection, told.customer, but=told.id):
            break
        count, size = lesson_rows.size_of(connection, told.customer)
    while sum((kept := lesson_rows.sizes(connection)).values()) > bounds.bytes_max:
        if not any(lesson_rows.remove_oldest(connection, most, but=told.id) for most in kept):
            break


def _remove_where(connection: Connection, condition: Any) -> int:
    ids = connection.execute(select(lessons_table.c.id).where(condition)).scalars().all()
    for identifier in ids:
        lesson_rows.remove(connection, identifier)
    return len(ids)
