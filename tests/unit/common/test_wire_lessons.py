"""Which lessons pass from the wire, and by which name is a customer known?"""

from __future__ import annotations

import pytest
from borderscout.v1 import lessons_pb2

from common import wire
from common.identity import ShardIdentity
from common.lessons import (
    LEARNERS_MAX,
    LESSON_BYTES_MAX,
    AskedLesson,
    LearnersHello,
    Lesson,
    LessonAnswer,
    LessonOutcome,
    Truth,
    known_as,
)
from common.wire import WireError

ID = "01KDVDNA000000000000000002"
HELLO = LearnersHello(
    identity=ShardIdentity("lon1", 0, "01KDVDNA000000000000000003"), learners=("rspamd", "spamd")
)
LESSON = AskedLesson(
    learner="rspamd",
    lesson=Lesson(id=ID, customer="acme", truth=Truth.HAM, octets=b"Subject: x\r\n\r\n\xff\r\n"),
)
ANSWER = LessonAnswer(
    lesson_id=ID, learner="rspamd", outcome=LessonOutcome.REFUSED, reason="too few words"
)


def test_lessons_arrive_as_they_left() -> None:
    assert wire.lesson_from_wire(wire.lesson_to_wire(LESSON)) == LESSON
    assert wire.lesson_from_wire(wire.lesson_to_wire(None)) is None
    assert wire.learners_hello_from_wire(wire.learners_hello_to_wire(HELLO)) == HELLO
    assert wire.lesson_answer_from_wire(wire.lesson_answer_to_wire(ANSWER)) == ANSWER


@pytest.mark.parametrize(
    "given",
    [
        {"lesson_id": "../x"},
        {"customer": ""},
        {"customer": "a" * 101},
        {"learner": "r" * 65},
        {"truth": "maybe"},
        {"message": bytes(LESSON_BYTES_MAX + 1)},
    ],
)
def test_a_lesson_that_breaks_a_bound_ends_the_stream(given: dict[str, object]) -> None:
    message = wire.lesson_to_wire(LESSON)
    for name, value in given.items():
        setattr(message, name, value)

    with pytest.raises(WireError):
        wire.lesson_from_wire(message)


@pytest.mark.parametrize("learners", [(), ("a b",), ("",), ("x",) * (LEARNERS_MAX + 1)])
def test_a_stream_begins_with_learners(learners: tuple[str, ...]) -> None:
    message = wire.learners_hello_to_wire(HELLO)
    del message.learners[:]
    message.learners.extend(learners)

    with pytest.raises(WireError):
        wire.learners_hello_from_wire(message)


def test_an_answer_names_its_lesson_and_an_unknown_outcome_may_change() -> None:
    with pytest.raises(WireError):
        wire.lesson_answer_from_wire(lessons_pb2.LessonsRequest())
    message = wire.lesson_answer_to_wire(ANSWER)
    message.answer.outcome = "pondered"
    message.answer.reason = "a\nb" + "x" * 1_000

    answer = wire.lesson_answer_from_wire(message)

    assert answer.outcome is LessonOutcome.FAILED
    assert "\n" not in answer.reason and len(answer.reason) <= 300


@pytest.mark.parametrize("customer", ["acme", "acme.example", "A-1_x"])
def test_a_plain_name_is_kept(customer: str) -> None:
    assert known_as(customer) == customer


@pytest.mark.parametrize("customer", ["..", ".x", "a b", "Jörg & Söhne", "x" * 65, "customer-1"])
def test_any_other_name_is_hashed_so_that_nobody_is_taken_for_him(customer: str) -> None:
    name = known_as(customer)

    assert name.startswith("customer-") and len(name) == len("customer-") + 32
    assert known_as(name) != name
