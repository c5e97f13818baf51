"""A message for very many recipients, with a header made to be long work: nobody else waits."""

from __future__ import annotations

from typing import Any

import pytest

from common.states import State
from common.verdict import Effect, Test
from satellite.headers import HEADER_BYTES_MAX, render
from satellite.judging import copies
from satellite.spool.model.messages import Copy
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import route
from tests.support.judging.judging_room import JudgingRoom
from tests.support.loop_steps import loop_steps
from tests.support.spool.open_spool import accept

RECIPIENTS = tuple(f"r{number}@acme.example" for number in range(1000))
STEP_S = 0.1  # promised are 20 ms; what was wrong took a second for each recipient

RESULTS = "Authentication-Results: \u00fcx{}.example; spf=pass\r\n"
HOSTILE = {
    "names-to-compare": "".join(RESULTS.format(number) for number in range(5_000)),
    "one-name-to-find": "Authentication-Results: " + "()" * 130_000 + "\r\n",
    "shortest-fields": "a:\r\n" * 65_000,
    "bare-returns": "X-BorderScout: a" + "\rb:" * 87_000 + "\r\n",
    "folds": "Subject: a" + "\r\n " * 87_000 + "b\r\n",
    "subjects": "Subject: \x01\u00fc\r\n" * 20_000,
    "encoded-words": "Subject: " + "=?a?q?b?=" * 29_000 + "\r\n",
}


@pytest.fixture
async def room(spool: Spool, clock: FakeClock) -> JudgingRoom:
    made = JudgingRoom(spool, clock)
    await made.prefer(route("acme.example"))
    return made


@pytest.mark.parametrize("header", HOSTILE.values(), ids=HOSTILE)
async def test_no_header_section_is_long_work_however_many_recipients_there_are(
    room: JudgingRoom, header: str
) -> None:
    body = header.encode()[: HEADER_BYTES_MAX - 100] + b"\r\n\r\nbody\r\n"
    message = await accept(room.spool, *RECIPIENTS, body=body)

    async with loop_steps() as steps:
        await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    assert steps.longest_s < STEP_S, steps.longest_was


async def test_copies_that_are_the_same_are_rendered_once(
    room: JudgingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = 0

    def counted(*what: Any, **more: Any) -> Copy:
        nonlocal rendered
        rendered += 1
        return render(*what, **more)

    monkeypatch.setattr(copies, "render", counted)
    message = await accept(room.spool, *RECIPIENTS)

    await room.judging.judge(message)

    assert rendered == 1, "each is as long as the header section"


async def test_findings_of_each_recipients_own_are_no_work_by_the_square(
    room: JudgingRoom,
) -> None:
    message = await accept(room.spool, *RECIPIENTS)
    room.filters.tests = tuple(
        Test(name=f"RULE_{kind}", score=0.1, recipient=recipient, effect=Effect.SCORE)
        for recipient in RECIPIENTS
        for kind in "AB"
    )

    async with loop_steps() as steps:
        await room.judging.judge(message)

    assert "RULE_A:0.1,RULE_B:0.1" in room.head(message, RECIPIENTS[-1]).replace(" ", "")
    assert steps.longest_s < STEP_S, steps.longest_was
