"""What an operator tells the filters of mail, and what he sees of what they learned."""

from __future__ import annotations

import mailbox
from pathlib import Path

import pytest

from common.lessons import LessonAnswer, LessonOutcome
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import document, made_id, route

MAIL = b"Subject: pills\r\n\r\nbuy them\r\n"


@pytest.fixture(autouse=True)
async def learns(core: Face) -> None:
    on = document("policy", "customer/acme", {"learning": "on"})
    await core.database.preferences.publish([route(), on], who="t")


async def test_a_file_a_mailbox_and_a_message_of_the_quarantine_are_lessons(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "one.eml").write_bytes(MAIL)
    box = mailbox.mbox(tmp_path / "many.mbox")
    for number in range(3):
        box.add(b"Subject: %d\n\nx\n" % number)
    box.close()
    await core.hold(made_id(1), MAIL + b"honest\r\n", reason="spam")

    one = await shell("learn", "spam", tmp_path / "one.eml", "--customer", "acme")
    again = await shell("learn", "spam", tmp_path / "one.eml", "--customer", "acme")
    many = await shell("learn", "spam", tmp_path / "many.mbox", "--customer", "acme")
    held = await shell("learn", "ham", made_id(1))

    kept = "kept for the filters that learn"
    assert one.out == f"1 lesson {kept}, 0 known before, 0 refused\n"
    assert again.out == f"0 lessons {kept}, 1 known before, 0 refused\n"
    assert many.out == f"3 lessons {kept}, 0 known before, 0 refused\n"
    assert held.out == f"1 lesson {kept}, 0 known before, 0 refused\n"
    (line,) = (await shell("learn", "status", "--json")).lines
    assert [(one["spam"], one["ham"]) for one in line["customers"]] == [(4, 1)]


async def test_what_cannot_be_a_lesson_says_why(core: Face, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(MAIL)
    await core.hold(made_id(1), MAIL, reason="virus")

    off = await shell("learn", "spam", tmp_path / "one.eml", "--customer", "other")
    virus = await shell("learn", "ham", made_id(1))
    nothing = await shell("learn", "spam", tmp_path / "none.eml", "--customer", "acme")

    assert (off.status, virus.status, nothing.status) == (1, 1, 2)
    assert "policy set customer/NAME learning=on" in off.err
    assert "which no filter is taught" in virus.err
    assert "there is no such file" in nothing.err


async def test_the_status_shows_each_learner_and_what_keeps_it(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    assert "no node has a filter that learns" in (await shell("learn", "status")).out
    (tmp_path / "one.eml").write_bytes(MAIL)
    await shell("learn", "spam", tmp_path / "one.eml", "--customer", "acme")
    learning = core.services.learning
    (course,) = await learning.came("lon1", ["rspamd"])
    assert "lon1: rspamd: 1 lesson waiting" in (await shell("status")).out

    asked = await learning.next_for(course)
    assert asked is not None
    answer = LessonAnswer(
        lesson_id=asked.lesson.id,
        learner="rspamd",
        outcome=LessonOutcome.REFUSED,
        reason="too few words",
    )
    await learning.answered(course, answer)

    shown = (await shell("learn", "status")).out
    assert "too few words" in shown
    assert "0 lessons waiting, 1 refused: too few words" in (await shell("status")).out
    again = await shell("learn", "again", "lon1")
    assert again.out == "lon1 is told anew what it was told before: 1\n"
    gone = await shell("learn", "forget", "acme", "--yes")
    assert gone.out == "1 lesson removed\n"


async def test_whoever_is_unknown_is_said_to_be(shell: Shell) -> None:
    assert "there is no node lon9" in (await shell("learn", "again", "lon9")).check_failed()
    forgotten = await shell("learn", "forget", "acme", "--yes")
    assert "no lesson of acme is kept" in forgotten.check_failed()
