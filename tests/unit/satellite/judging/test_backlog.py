"""What is to be judged has an order, and what waits takes no more than its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from common.ids import MessageId
from satellite.judging.backlog import HURRIED_AT_ONCE_MAX, TRIED_AGAIN_MAX, Backlog
from tests.support.clock import FakeClock


@pytest.fixture
async def backlog(clock: FakeClock) -> AsyncIterator[Backlog]:
    made = Backlog(clock)
    ringing = asyncio.create_task(made.run())
    yield made
    ringing.cancel()
    await asyncio.gather(ringing, return_exceptions=True)


def named(number: int) -> MessageId:
    return MessageId(f"{number:026d}")


async def row(backlog: Backlog) -> list[MessageId]:
    return [await backlog.next() for _ in range(len(backlog))]


async def again(backlog: Backlog) -> list[MessageId]:
    """Return what may be tried again now, none of which comes to its end yet."""
    found: list[MessageId] = []
    while True:
        asking = asyncio.create_task(backlog.next_again())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not asking.done():
            asking.cancel()
            return found
        found.append(asking.result())


async def test_messages_are_judged_in_the_order_in_which_they_became_due(
    backlog: Backlog, clock: FakeClock
) -> None:
    backlog.add_again(named(1), 30.0)
    backlog.add_again(named(2), 10.0)
    backlog.add(named(3))
    assert await row(backlog) == [named(3)]

    await clock.advance(9.9)
    assert await again(backlog) == []
    await clock.advance(0.2)
    assert await again(backlog) == [named(2)]
    backlog.tried(came_to_its_end=True)
    backlog.add(named(4))
    await clock.advance(30.0)

    assert await row(backlog) == [named(4)]
    assert await again(backlog) == [named(1)]
    assert backlog.waiting == 0


async def test_who_comes_later_and_waits_for_less_is_not_forgotten(
    backlog: Backlog, clock: FakeClock
) -> None:
    backlog.add_again(named(1), 300.0)
    await clock.settle()
    backlog.add_again(named(2), 5.0)
    await clock.advance(5.0)

    assert await again(backlog) == [named(2)]


async def test_ten_thousand_that_wait_are_no_ten_thousand_tasks(
    backlog: Backlog, clock: FakeClock
) -> None:
    await clock.settle()
    before = len(asyncio.all_tasks())

    for number in range(10_000):
        backlog.add_again(named(number), 60.0 + number / 1000)
    await clock.settle()

    assert backlog.waiting == 10_000
    assert len(asyncio.all_tasks()) <= before + 2
    await clock.advance(70.0)
    for number in range(10_000):
        assert await backlog.next_again() == named(number)
        backlog.tried(came_to_its_end=True)


async def test_of_those_that_are_tried_again_in_vain_there_is_one_at_a_time(
    backlog: Backlog,
) -> None:
    for number in range(20):
        backlog.add_again(named(number), 0.0)

    for number in range(20):
        assert await again(backlog) == [named(number)]
        backlog.tried(came_to_its_end=False)


async def test_those_that_come_to_their_end_let_more_follow_at_once(backlog: Backlog) -> None:
    for number in range(100):
        backlog.add_again(named(number), 0.0)
    at_once = []

    for _ in range(5):
        found = await again(backlog)
        at_once.append(len(found))
        for _ in found:
            backlog.tried(came_to_its_end=True)

    assert at_once == [1, 2, 4, 8, TRIED_AGAIN_MAX]


async def test_fresh_mail_leaves_those_that_are_tried_again_one_place(backlog: Backlog) -> None:
    for number in range(100):
        backlog.add_again(named(number), 0.0)
    for _ in range(3):
        for _ in await again(backlog):
            backlog.tried(came_to_its_end=True)
    backlog.add(named(1000))

    assert len(await again(backlog)) == 1

    assert await row(backlog) == [named(1000)]
    assert len(await again(backlog)) > 1


async def test_suspects_hold_up_no_others_that_are_tried_again(backlog: Backlog) -> None:
    backlog.add_again(named(1), 0.0, is_suspect=True)
    backlog.add_again(named(2), 0.0, is_suspect=True)
    backlog.add_again(named(3), 0.0)

    assert await again(backlog) == [named(3)]

    assert [await backlog.next_suspect(), await backlog.next_suspect()] == [named(1), named(2)]
    assert backlog.waiting == 0


async def test_of_a_message_that_is_put_off_twice_the_last_word_counts(
    backlog: Backlog, clock: FakeClock
) -> None:
    backlog.add_again(named(1), 10.0)
    backlog.add_again(named(1), 20.0)
    assert backlog.waiting == 1

    await clock.advance(15.0)
    assert await again(backlog) == []
    await clock.advance(10.0)

    assert await again(backlog) == [named(1)]
    assert backlog.waiting == 0


async def test_plans_that_count_no_more_are_not_kept(backlog: Backlog) -> None:
    for number in range(10_000):
        backlog.add_again(named(1), 1000.0 + number)

    assert len(backlog._later) < 200


# ---- an engine is back


async def test_once_an_engine_is_back_who_waits_need_not_wait_for_his_time(
    backlog: Backlog, clock: FakeClock
) -> None:
    for number in range(3):
        backlog.add_again(named(number), 300.0 + number)
    await clock.settle()
    assert await again(backlog) == []

    backlog.hurry()
    tried = []
    for _ in range(3):
        tried += [await backlog.next_again()]
        backlog.tried(came_to_its_end=True)

    assert tried == [named(0), named(1), named(2)]
    assert backlog.waiting == 0


async def test_when_one_has_to_wait_once_more_the_others_wait_for_their_time(
    backlog: Backlog, clock: FakeClock
) -> None:
    for number in range(3):
        backlog.add_again(named(number), 300.0 + number)
    await clock.settle()

    backlog.hurry()
    assert await again(backlog) == [named(0)]
    backlog.tried(came_to_its_end=False)

    assert await again(backlog) == []
    await clock.advance(302.0)
    assert await again(backlog) == [named(1)]


async def test_who_comes_to_wait_later_is_not_hurried(backlog: Backlog, clock: FakeClock) -> None:
    backlog.hurry()
    await clock.settle()
    assert await again(backlog) == []

    backlog.add_again(named(1), 300.0)

    assert await again(backlog) == []


async def test_very_many_suspects_hide_nobody_behind_them(
    backlog: Backlog, clock: FakeClock
) -> None:
    many = 3 * HURRIED_AT_ONCE_MAX
    for number in range(many):
        backlog.add_again(named(number), 100.0, is_suspect=True)
    backlog.add_again(named(many), 300.0)
    await clock.settle()

    backlog.hurry()

    assert await asyncio.wait_for(backlog.next_again(), 10) == named(many)
    assert [await backlog.next_suspect() for _ in range(many)] == [named(n) for n in range(many)]
