"""How does the core tell each node's learners their lessons?

Touches lesson streams; which lesson comes next is decided in ``core.learning``. One is on its way
at a time: the next is told once the last was answered, and what the answer says is durable. A cut
costs nothing: what was not answered is told again, and whoever learned it says that it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog
from borderscout.v1 import lessons_pb2

from common import wire
from common.clock import Clock
from common.errors import PeerError
from common.lessons import AskedLesson
from core.learning.learning import LearnerCourse
from core.link.calls import Access, Context, Streams, first_message, until_first
from core.link.ports import LessonSource

log = structlog.get_logger()

LOOK_S = 30.0  # between looks for lessons whose next try is due, and for learners that were away
LOOKS_TO_BEGIN_AGAIN = 20  # then all lessons are looked at anew
ANSWER_S = 300.0  # a node gives a lesson half a minute at each of a learner's servers


class LessonStreams:
    """The lesson streams of all nodes.

    Args:
        access: who may speak for which node.
        streams: the open ones.
        source: the lessons.
        clock: for the time between looks.
    """

    def __init__(
        self, *, access: Access, streams: Streams, source: LessonSource, clock: Clock
    ) -> None:
        self._access = access
        self._streams = streams
        self._source = source
        self._clock = clock

    async def serve(
        self, messages: AsyncIterator[lessons_pb2.LessonsRequest], context: Context
    ) -> None:
        """Serve one lesson stream."""
        hello = wire.learners_hello_from_wire(await first_message(messages))
        await self._access.admit(context, hello.identity)
        with self._streams.only("lessons", hello.identity) as ended:
            courses = await self._source.came(hello.identity.node, hello.learners)
            await context.write(wire.lesson_to_wire(None))
            await until_first(self._teach(courses, messages, context), ended)

    async def _teach(
        self,
        courses: Sequence[LearnerCourse],
        messages: AsyncIterator[lessons_pb2.LessonsRequest],
        context: Context,
    ) -> None:
        looks = 0
        with self._source.subscribe() as told:
            while True:
                told.clear()
                for course in courses:
                    while (asked := await self._source.next_for(course)) is not None:
                        await self._ask(course, asked, messages, context)
                await self._until_due(told)
                looks += 1
                if looks % LOOKS_TO_BEGIN_AGAIN == 0:
                    for course in courses:
                        course.begin_again()

    async def _ask(
        self,
        course: LearnerCourse,
        asked: AskedLesson,
        messages: AsyncIterator[lessons_pb2.LessonsRequest],
        context: Context,
    ) -> None:
        await context.write(wire.lesson_to_wire(asked))
        try:
            async with asyncio.timeout(ANSWER_S):
                message = await anext(messages, None)
        except TimeoutError:
            raise PeerError(f"no answer to a lesson within {ANSWER_S:.0f} s") from None
        if message is None:
            raise PeerError("the stream ended before the answer to a lesson")
        answer = wire.lesson_answer_from_wire(message)
        if (answer.lesson_id, answer.learner) != (asked.lesson.id, asked.learner):
            raise PeerError("an answer to another lesson than the one that was told")
        await self._source.answered(course, answer)
        log.info(
            "lesson.answered",
            lesson=answer.lesson_id,
            node=course.node,
            learner=course.learner,
            outcome=str(answer.outcome),
        )

    async def _until_due(self, told: asyncio.Event) -> None:
        tasks = [
            asyncio.create_task(told.wait(), name="lessons.told"),
            asyncio.create_task(self._clock.sleep(LOOK_S), name="lessons.look"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
