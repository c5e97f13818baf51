"""How does a lesson look on the wire?

Pure. What breaks a bound ends the stream: nobody of ours says such a thing. An outcome that this
version does not know is one that may change when the lesson is told again.
"""

from __future__ import annotations

from borderscout.v1 import lessons_pb2 as lessons_

from common import lessons
from common.ids import is_ulid
from common.wire import bounds
from common.wire.bounds import WireError
from common.wire.positions import identity_from_wire, identity_to_wire


def learners_hello_to_wire(hello: lessons.LearnersHello) -> lessons_.LessonsRequest:
    """Return the first message of a stream as protobuf."""
    return lessons_.LessonsRequest(
        identity=identity_to_wire(hello.identity), learners=hello.learners
    )


def learners_hello_from_wire(message: lessons_.LessonsRequest) -> lessons.LearnersHello:
    """Return who opened a stream.

    Raises:
        WireError: it does not say, or names no learners.
    """
    bounds.at_most(len(message.learners), lessons.LEARNERS_MAX, "learners")
    learners = tuple(message.learners)
    if not learners or not all(map(lessons.LEARNER.fullmatch, learners)):
        raise WireError("a lesson stream begins with an identity and the names of learners")
    return lessons.LearnersHello(identity=identity_from_wire(message.identity), learners=learners)


def lesson_answer_to_wire(answer: lessons.LessonAnswer) -> lessons_.LessonsRequest:
    """Return what became of a lesson as protobuf."""
    return lessons_.LessonsRequest(
        answer=lessons_.LessonAnswer(
            lesson_id=answer.lesson_id,
            learner=answer.learner,
            outcome=str(answer.outcome),
            reason=answer.reason[: lessons.REASON_LENGTH_MAX],
        )
    )


def lesson_answer_from_wire(message: lessons_.LessonsRequest) -> lessons.LessonAnswer:
    """Return what became of a lesson.

    Raises:
        WireError: it is no answer.
    """
    answer = message.answer
    if not is_ulid(answer.lesson_id) or lessons.LEARNER.fullmatch(answer.learner) is None:
        raise WireError("an answer to no lesson")
    try:
        outcome = lessons.LessonOutcome(answer.outcome)
    except ValueError:
        outcome = lessons.LessonOutcome.FAILED
    return lessons.LessonAnswer(
        lesson_id=answer.lesson_id,
        learner=answer.learner,
        outcome=outcome,
        reason=bounds.plain(answer.reason[: lessons.REASON_LENGTH_MAX]),
    )


def lesson_to_wire(asked: lessons.AskedLesson | None) -> lessons_.LessonsResponse:
    """Return a lesson as protobuf; None says that the core is there."""
    if asked is None:
        return lessons_.LessonsResponse()
    return lessons_.LessonsResponse(
        lesson_id=asked.lesson.id,
        learner=asked.learner,
        customer=asked.lesson.customer,
        truth=str(asked.lesson.truth),
        message=asked.lesson.octets,
    )


def lesson_from_wire(message: lessons_.LessonsResponse) -> lessons.AskedLesson | None:
    """Return a lesson, None where the core says only that it is there.

    Raises:
        WireError: it is none.
    """
    if not message.lesson_id:
        return None
    if not is_ulid(message.lesson_id) or not message.customer:
        raise WireError("a lesson without a name or a customer")
    bounds.at_most(len(message.message), lessons.LESSON_BYTES_MAX, "octets of a lesson")
    try:
        truth = lessons.Truth(message.truth)
    except ValueError:
        raise WireError("a lesson that says neither spam nor ham") from None
    return lessons.AskedLesson(
        learner=bounds.text(message.learner, length_max=bounds.NAME_LENGTH_MAX),
        lesson=lessons.Lesson(
            id=message.lesson_id,
            customer=bounds.text(message.customer, length_max=lessons.CUSTOMER_LENGTH_MAX),
            truth=truth,
            octets=message.message,
        ),
    )
