"""What do people teach the filters, and which lesson does a learner get next?

Touches the database and the bodies of the quarantine. A lesson is on the disk before whoever told
it hears so; a learner is told it until it has answered, and says itself when it knew it. Nothing is
kept for a customer whose policy says ``learning=off``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import structlog

from common.address import domain_of
from common.clock import Clock, new_id
from common.errors import BorderScoutError, LocalError
from common.lessons import LESSON_BYTES_MAX, AskedLesson, Lesson, LessonAnswer, Truth
from common.settings.core import LearningSettings
from core.custody.custody import Custody
from core.learning.as_it_came import as_it_came
from core.learning.standings import standing_after
from core.quarantine.cases import KeptCase, UnknownCase
from core.quarantine.retention import kept_since_us
from core.store.database import Database
from core.store.subscribers import Subscribers

log = structlog.get_logger()

AWAY_S = 60.0  # a learner that is not there is left alone for so long
SKIPPED_MAX = 1_000  # lessons that nobody may learn any more, passed over in one look
OF_SPAM = "spam"  # why a message is kept whose release says that it is honest
NOT_TAUGHT = frozenset({"virus", "unscannable"})  # what engines are for

_SWITCH_ON = "switch it on with: borderscout policy set customer/NAME learning=on"


class LessonRefused(LocalError):
    """What somebody wanted to teach cannot be a lesson."""


@dataclass(frozen=True, slots=True)
class TaughtLesson:
    """What became of a report: the lesson, and whether it says something new."""

    lesson_id: str
    is_new: bool


class LearnerCourse:
    """How far one learner is, while its node is connected."""

    def __init__(self, node: str, learner: str) -> None:
        self.node = node
        self.learner = learner
        self.after = ""  # of the lessons that it was never told
        self.rests_until_s = 0.0
        self.tries = 0  # that the lesson has had which it is told now
        self.changes = 0  # of the lessons, when it looked last

    def begin_again(self) -> None:
        """Look at all lessons anew, such as after a policy was switched on."""
        self.after = ""


class Learning:
    """Lessons, from whoever tells them to the learners.

    Args:
        database: the store.
        custody: the quarantine.
        clock: for ids and waits.
        bounds: how much is kept.
    """

    def __init__(
        self, *, database: Database, custody: Custody, clock: Clock, bounds: LearningSettings
    ) -> None:
        self._preferences = database.preferences
        self._lessons = database.lessons
        self._custody = custody
        self._clock = clock
        self._bounds = bounds
        self._changes = 0  # ids of one millisecond are in no order: each new one is a new look
        self._subscribers = Subscribers()

    def subscribe(self) -> AbstractContextManager[asyncio.Event]:
        """Give an event that is set after each new lesson."""
        return self._subscribers.subscribe()

    async def report(self, octets: bytes, *, customer: str, truth: Truth, who: str) -> TaughtLesson:
        """Keep what somebody says of a message for a customer.

        Args:
            octets: the message, as it came or as it was delivered.
            customer: for whom.
            truth: what it is.
            who: says so.

        Raises:
            LessonRefused: nobody would learn it.
        """
        return await self._keep(
            as_it_came(octets), customer=customer, truth=truth, source="report", who=who
        )

    async def report_case(
        self, message_id: str, *, customer: str, truth: Truth, who: str
    ) -> TaughtLesson:
        """Keep what somebody says of a quarantined message.

        Args:
            message_id: which.
            customer: for whom; empty: for the one that it is kept for.
            truth: what it is.
            who: says so.

        Raises:
            UnknownCase, CaseNotHeld: there is no such message, or its body is not here.
            LessonRefused: nobody would learn it.
        """
        case = await self._custody.case(message_id)
        if case is None:
            raise UnknownCase(message_id)
        customers = self._customers_of(case, case.told.recipients)
        if customer and customer not in customers:
            raise LessonRefused(f"{message_id} is not kept for {customer[:80]}")
        if not customer and len(customers) != 1:
            raise LessonRefused(
                f"{message_id} is kept for {len(customers)} customers",
                hint=f"say for which: --customer {customers[0] if customers else 'NAME'}",
            )
        return await self._keep_case(
            case, customer=customer or customers[0], truth=truth, source="report", who=who
        )

    async def released(self, message_id: str, *, recipients: Collection[str], who: str) -> int:
        """Keep it as honest that somebody released a message which was kept as spam.

        A release goes on whatever happens here.

        Args:
            message_id: which.
            recipients: to whom it was released; none: to all.
            who: released it.

        Returns:
            For how many customers it is a lesson.
        """
        case = await self._custody.case(message_id)
        if case is None or case.told.reason != OF_SPAM or case.told.size > LESSON_BYTES_MAX:
            return 0
        kept = 0
        for customer in self._customers_of(case, recipients or case.told.recipients):
            if not self._preferences.current.learns(customer):
                continue
            try:
                await self._keep_case(
                    case, customer=customer, truth=Truth.HAM, source="release", who=who
                )
            except BorderScoutError as error:
                log.warning("lesson.not_kept", message=message_id, reason=error.what)
            else:
                kept += 1
        return kept

    async def came(self, node: str, learners: Collection[str]) -> list[LearnerCourse]:
        """Note which filters of a node learn, and begin the course of each."""
        await self._lessons.came(node, learners)
        return [LearnerCourse(node, learner) for learner in sorted(set(learners))]

    async def next_for(self, course: LearnerCourse) -> AskedLesson | None:
        """Return what a learner is to be told now, None: nothing."""
        if self._clock.monotonic_s() < course.rests_until_s:
            return None
        if course.changes != self._changes:
            course.changes = self._changes
            course.begin_again()
        for _ in range(SKIPPED_MAX):
            due = await self._lessons.due(course.node, course.learner, after=course.after)
            if due is None:
                return None
            if due.is_new:
                course.after = due.lesson.id
            if self._preferences.current.learns(due.lesson.customer):
                course.tries = due.tries
                return AskedLesson(learner=course.learner, lesson=due.lesson)
            if not due.is_new:
                await self._lessons.forget(due.lesson.customer, who="learning=off")
        return None

    async def answered(self, course: LearnerCourse, answer: LessonAnswer) -> None:
        """Note what became of the lesson that a learner was told last."""
        standing = standing_after(answer, tries=course.tries, now_us=self._clock.now_us())
        if standing is None:
            course.rests_until_s = self._clock.monotonic_s() + AWAY_S
            course.begin_again()
            return
        await self._lessons.stands(answer.lesson_id, course.node, course.learner, standing)

    async def forget(self) -> None:
        """Remove lessons that are old, and those of customers that are to teach nobody."""
        limit_us = kept_since_us(now_us=self._clock.now_us(), days=self._bounds.days)
        await self._lessons.forget_before(limit_us)
        for each in await self._lessons.customers():
            if not self._preferences.current.learns(each["customer"]):
                await self._lessons.forget(each["customer"], who="learning=off")

    async def again(self, node: str, *, who: str) -> int:
        """Tell a node's learners all lessons anew; return how many they were told before."""
        told = await self._lessons.again(node, who=who)
        self._changed()
        return told

    async def status(self) -> dict[str, Any]:
        """Return who has told how much, and how far each learner is."""
        return {
            "customers": await self._lessons.customers(),
            "learners": await self._lessons.progress(),
        }

    def _changed(self) -> None:
        self._changes += 1
        self._subscribers.wake()

    async def _keep_case(
        self, case: KeptCase, *, customer: str, truth: Truth, source: str, who: str
    ) -> TaughtLesson:
        if case.told.reason in NOT_TAUGHT:
            raise LessonRefused(
                f"{case.message_id} is kept as {case.told.reason}, which no filter is taught",
                hint="say what is wrong with an engine's finding with: borderscout threat --help",
            )
        self._check(case.told.size, customer)
        octets = await self._custody.read(case.message_id, 0, case.told.size)
        return await self._keep(octets, customer=customer, truth=truth, source=source, who=who)

    async def _keep(
        self, octets: bytes, *, customer: str, truth: Truth, source: str, who: str
    ) -> TaughtLesson:
        self._check(len(octets), customer)
        lesson = Lesson(id=new_id(self._clock), customer=customer, truth=truth, octets=octets)
        kept, is_new = await self._lessons.tell(lesson, source=source, who=who, bounds=self._bounds)
        if is_new:
            self._changed()
        return TaughtLesson(kept, is_new)

    def _check(self, size: int, customer: str) -> None:
        if not self._preferences.current.learns(customer):
            raise LessonRefused(f"nothing is learned for {customer[:80]}", hint=_SWITCH_ON)
        if not size:
            raise LessonRefused("the message is empty")
        if size > LESSON_BYTES_MAX:
            raise LessonRefused(
                f"the message has {size} octets; a lesson has at most {LESSON_BYTES_MAX}"
            )

    def _customers_of(self, case: KeptCase, recipients: Collection[str]) -> list[str]:
        """Return whose recipients a message is kept for, sorted."""
        kept = {each.casefold() for each in case.told.recipients}
        routes = (
            self._preferences.current.route(domain_of(each))
            for each in recipients
            if each.casefold() in kept
        )
        return sorted({route.customer for route in routes if route is not None})
