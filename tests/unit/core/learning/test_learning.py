"""What do people teach, what is kept of it, and what is a learner told?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from common.lessons import LESSON_BYTES_MAX, AskedLesson, LessonAnswer, LessonOutcome, Truth
from core.learning.learning import AWAY_S, LearnerCourse, Learning, LessonRefused
from core.learning.standings import FIRST_WAIT_S, TRIES_MAX
from core.quarantine.cases import UnknownCase
from tests.support.clock import FakeClock
from tests.support.core.face import Face, open_face
from tests.support.core.rooms import document, made_id, route

MAIL = b"Subject: pills\r\n\r\nbuy them\r\n"
ON = [
    route("acme.example", "acme"),
    route("other.example", "other"),
    route("off.example", "off"),
    document("policy", "customer/acme", {"learning": "on"}),
    document("policy", "customer/other", {"learning": "on"}),
]


@pytest.fixture
async def face(tmp_path: Path, fake_clock: FakeClock) -> AsyncIterator[Face]:
    bounds = {"lessons_per_customer": 3, "bytes_per_customer": 1 << 20, "bytes_max": 1 << 20}
    async with open_face(tmp_path / "core", fake_clock, learning=bounds) as made:
        await made.database.preferences.publish(ON, who="t")
        yield made


async def report(
    face: Face, octets: bytes = MAIL, *, customer: str = "acme", truth: Truth = Truth.SPAM
) -> str:
    told = await face.services.learning.report(octets, customer=customer, truth=truth, who="joe")
    return told.lesson_id


async def course(face: Face, node: str = "lon1") -> LearnerCourse:
    (made,) = await face.services.learning.came(node, ["rspamd"])
    return made


async def told(learning: Learning, to: LearnerCourse, outcome: LessonOutcome) -> AskedLesson:
    asked = await learning.next_for(to)
    assert asked is not None
    answer = LessonAnswer(
        lesson_id=asked.lesson.id, learner=to.learner, outcome=outcome, reason="why"
    )
    await learning.answered(to, answer)
    return asked


async def lessons(face: Face) -> dict[str, tuple[int, int]]:
    found = (await face.services.learning.status())["customers"]
    return {each["customer"]: (each["spam"], each["ham"]) for each in found}


async def progress(face: Face) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await face.services.learning.status())["learners"]
    return found


async def test_each_learner_is_told_each_lesson_once(face: Face, fake_clock: FakeClock) -> None:
    learning = face.services.learning
    first = await report(face)
    await fake_clock.advance(1)
    second = await report(face, b"Subject: x\r\n\r\ny\r\n")
    lon1, fra1 = await course(face), await course(face, "fra1")

    asked = [await told(learning, lon1, LessonOutcome.LEARNED) for _ in range(2)]
    assert [one.lesson.id for one in asked] == [first, second]
    assert asked[0].lesson.octets == MAIL and asked[0].lesson.customer == "acme"
    assert await learning.next_for(lon1) is None
    again = await told(learning, fra1, LessonOutcome.KNOWN)
    assert again.lesson.id == asked[0].lesson.id

    assert [
        (one["node"], one["waiting"], one["learned"], one["known"]) for one in await progress(face)
    ] == [("fra1", 1, 0, 1), ("lon1", 0, 2, 0)]


async def test_what_was_not_answered_is_told_again_in_the_next_stream(face: Face) -> None:
    learning = face.services.learning
    await report(face)
    cut = await course(face)

    asked = await learning.next_for(cut)
    again = await learning.next_for(await course(face))

    assert asked is not None and asked == again


async def test_who_takes_it_back_teaches_the_contrary(face: Face) -> None:
    learning = face.services.learning
    first = await report(face)
    lon1 = await course(face)
    await told(learning, lon1, LessonOutcome.LEARNED)

    assert await report(face) == first  # said twice is one lesson
    second = await report(face, truth=Truth.HAM)

    assert second != first
    assert await lessons(face) == {"acme": (0, 1)}
    asked = await told(learning, lon1, LessonOutcome.LEARNED)
    assert (asked.lesson.id, asked.lesson.truth) == (second, Truth.HAM)


async def test_nothing_is_kept_for_who_does_not_want_it(face: Face) -> None:
    learning = face.services.learning
    for customer in ("off", "nobody"):
        with pytest.raises(LessonRefused, match="nothing is learned"):
            await report(face, customer=customer)
    await report(face)
    lon1 = await course(face)

    await face.database.preferences.publish(
        [document("policy", "customer/acme", {"learning": "off"})], who="t"
    )
    assert await learning.next_for(lon1) is None
    await learning.forget()

    assert await lessons(face) == {}


async def test_the_oldest_go_beyond_the_bounds(face: Face, fake_clock: FakeClock) -> None:
    for number in range(5):
        await report(face, b"Subject: %d\r\n\r\nx\r\n" % number)
        await fake_clock.advance(1)
    assert await lessons(face) == {"acme": (3, 0)}

    # Of all octets: who has the most loses his oldest, and the newest is kept.
    large = b"Subject: x\r\n\r\n" + bytes(400_000)
    for number in range(2):
        await report(face, large + bytes([number]), customer="other")
        await fake_clock.advance(1)
    await report(face, large, truth=Truth.HAM)
    await report(face, large + b"!", customer="other")

    assert await lessons(face) == {"acme": (2, 1), "other": (1, 0)}


@pytest.mark.parametrize("octets", [b"", bytes(LESSON_BYTES_MAX + 1)])
async def test_what_no_learner_would_take_is_refused(face: Face, octets: bytes) -> None:
    with pytest.raises(LessonRefused):
        await report(face, octets)


async def test_lessons_and_learners_go_with_their_days(face: Face, fake_clock: FakeClock) -> None:
    learning = face.services.learning
    await report(face)
    await course(face)

    await fake_clock.advance(91 * 86_400)
    await learning.forget()

    assert await learning.status() == {"customers": [], "learners": []}


async def test_a_learner_that_is_away_is_left_alone_for_a_while_and_misses_nothing(
    face: Face, fake_clock: FakeClock
) -> None:
    learning = face.services.learning
    await report(face)
    lon1 = await course(face)

    for _ in range(TRIES_MAX + 1):
        asked = await told(learning, lon1, LessonOutcome.AWAY)
        assert await learning.next_for(lon1) is None
        await fake_clock.advance(AWAY_S)
    again = await learning.next_for(lon1)

    assert again == asked
    assert (await progress(face))[0]["waiting"] == 1


async def test_a_lesson_over_which_a_learner_breaks_off_holds_up_no_other_and_is_given_up(
    face: Face, fake_clock: FakeClock
) -> None:
    learning = face.services.learning
    bad = await report(face)
    lon1 = await course(face)
    await told(learning, lon1, LessonOutcome.FAILED)

    await fake_clock.advance(1)
    good = await report(face, b"Subject: other\r\n\r\nx\r\n")
    assert (await told(learning, lon1, LessonOutcome.LEARNED)).lesson.id == good
    assert await learning.next_for(lon1) is None
    for tries in range(1, TRIES_MAX):
        await fake_clock.advance(FIRST_WAIT_S * 2**tries)
        assert (await told(learning, lon1, LessonOutcome.FAILED)).lesson.id == bad
    await fake_clock.advance(1e6)

    assert await learning.next_for(lon1) is None
    (row,) = await progress(face)
    assert (row["learned"], row["refused"], row["reason"]) == (1, 1, "why")


async def test_a_node_whose_learner_lost_all_is_told_all_again(face: Face) -> None:
    learning = face.services.learning
    await report(face)
    lon1 = await course(face)
    await told(learning, lon1, LessonOutcome.LEARNED)

    with learning.subscribe() as woken:
        assert await learning.again("lon1", who="joe") == 1
        assert woken.is_set()

    assert await learning.next_for(lon1) is not None


async def test_a_release_of_spam_is_a_lesson_and_no_other_release_is(face: Face) -> None:
    cases = {
        "spam": made_id(1),
        "virus": made_id(2),
        "blacklist": made_id(3),
        "unscannable": made_id(4),
    }
    for reason, message in cases.items():
        await face.hold(message, MAIL + reason.encode(), reason=reason)
    for message in cases.values():
        await face.ask("POST", f"/api/v1/quarantine/{message}/release", json={})

    asked = await face.services.learning.next_for(await course(face))

    assert await lessons(face) == {"acme": (0, 1)}
    assert asked is not None and asked.lesson.octets == MAIL + b"spam"


async def test_a_release_for_whom_nothing_is_learned_is_none(face: Face) -> None:
    await face.hold(made_id(1), MAIL, reason="spam", recipients=("x@off.example",))

    found = await face.ask("POST", f"/api/v1/quarantine/{made_id(1)}/release", json={})

    assert found["lessons"] == 0
    assert await lessons(face) == {}


async def test_a_release_to_one_customer_says_nothing_for_another(face: Face) -> None:
    both = ("x@acme.example", "y@other.example")
    await face.hold(made_id(1), MAIL, reason="spam", recipients=both)

    path = f"/api/v1/quarantine/{made_id(1)}/release"
    await face.ask("POST", path, json={"recipients": ["y@other.example"]})

    assert await lessons(face) == {"other": (0, 1)}


async def test_a_message_of_the_quarantine_is_reported_by_its_id(face: Face) -> None:
    learning = face.services.learning
    both = ("x@acme.example", "y@other.example")
    await face.hold(made_id(1), MAIL, reason="spam", recipients=both)
    await face.hold(made_id(2), MAIL, reason="virus")

    with pytest.raises(LessonRefused, match="2 customers"):
        await learning.report_case(made_id(1), customer="", truth=Truth.HAM, who="joe")
    with pytest.raises(LessonRefused, match="not kept for"):
        await learning.report_case(made_id(1), customer="off", truth=Truth.HAM, who="joe")
    with pytest.raises(LessonRefused, match="virus"):
        await learning.report_case(made_id(2), customer="", truth=Truth.HAM, who="joe")
    with pytest.raises(UnknownCase):
        await learning.report_case(made_id(3), customer="", truth=Truth.HAM, who="joe")
    await learning.report_case(made_id(1), customer="other", truth=Truth.HAM, who="joe")

    assert await lessons(face) == {"other": (0, 1)}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"truth": "spam"}, "either"),
        ({"truth": "spam", "message_id": made_id(1), "message": "eA=="}, "either"),
        ({"truth": "spam", "message": "eA=="}, "which customer"),
        ({"truth": "spam", "message": "!", "customer": "acme"}, "base64"),
        ({"truth": "maybe", "message": "eA==", "customer": "acme"}, "truth"),
    ],
)
async def test_a_report_that_says_too_little_is_refused(
    face: Face, body: dict[str, Any], said: str
) -> None:
    answer = await face.client.post("/api/v1/lessons", json=body)

    assert answer.status_code in (400, 422)
    assert said in answer.json()["title"]
