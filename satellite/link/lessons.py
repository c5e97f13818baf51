"""How does a node hear what its filters are to learn, and tell the core what became of it?

Touches the lesson stream and the filters. Nothing is kept here: a lesson that was cut off is told
again, by the core, until it was answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import grpc
import grpc.aio
from borderscout.v1 import lessons_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.errors import PeerError
from common.identity import ShardIdentity
from common.lessons import AskedLesson, LearnersHello, Lesson, LessonAnswer, LessonOutcome
from common.strangers import outcome_of
from satellite.link.accepted_core import AcceptedCore
from satellite.link.streams import converse


class LearnedFromLesson(Protocol):
    """What became of a lesson, as the filter says."""

    @property
    def outcome(self) -> LessonOutcome: ...

    @property
    def reason(self) -> str: ...


class LearnsLessons(Protocol):
    """A filter that learns, as far as the link is concerned."""

    async def learn(self, lesson: Lesson) -> LearnedFromLesson: ...


LessonsCall = grpc.aio.StreamStreamCall[lessons_pb2.LessonsRequest, lessons_pb2.LessonsResponse]


class LessonStream:
    """Hears the lessons of one node's filters.

    Args:
        learners: the filters that learn, by name; one at least.
        identity: who we are.
        core: says whether the core that is reached is the accepted one.
        heard: called when the core spoke.
    """

    def __init__(
        self,
        *,
        learners: Mapping[str, LearnsLessons],
        identity: ShardIdentity,
        core: AcceptedCore,
        heard: Callable[[], None],
    ) -> None:
        self._learners = learners
        self._core = core
        self._hello = LearnersHello(identity=identity, learners=tuple(learners))
        self._heard = heard
        self._call: LessonsCall | None = None

    async def once(self, stub: LinkStub, *, wait: bool) -> None:
        """Open the stream and learn what comes on it until it ends.

        Raises:
            PeerError: the core is of a version that teaches nothing.
        """
        call = self._call = stub.Lessons(wait_for_ready=wait)
        try:
            await call.write(wire.learners_hello_to_wire(self._hello))
            await converse(
                call,
                hear=wire.lesson_from_wire,
                perform=self._perform,
                hearing=await self._core.hear(call),
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise PeerError("the core is an older one, and teaches nothing") from None
            raise
        finally:
            call.cancel()
            self._call = None

    async def _perform(self, asked: AskedLesson | None) -> None:
        assert self._call is not None
        self._heard()
        if asked is not None:
            await self._call.write(wire.lesson_answer_to_wire(await self._learned(asked)))

    async def _learned(self, asked: AskedLesson) -> LessonAnswer:
        learner = self._learners.get(asked.learner)
        outcome, reason = LessonOutcome.AWAY, "the node has no such filter that learns"
        if learner is not None:
            said = await outcome_of(learner.learn(asked.lesson))
            if isinstance(said, Exception):
                outcome, reason = LessonOutcome.FAILED, f"{type(said).__name__}: {said}"
            else:
                outcome, reason = said.outcome, said.reason
        return LessonAnswer(
            lesson_id=asked.lesson.id, learner=asked.learner, outcome=outcome, reason=reason
        )
