"""What is to be judged has an order, and what waits takes no more than its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from common.ids import MessageId
from satellite.judging.backlog import Backlog
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


async def test_messages_are_judged_in_the_order_in_which_they_became_due(
    backlog: Backlog, clock: FakeClock
) -> None:
    backlog.add(named(1), 30.0)
    backlog.add(named(2), 10.0)
    backlog.add(named(3))
    assert await row(backlog) == [named(3)]

    await clock.advance(9.9)
    assert await row(backlog) == []
    await clock.advance(0.2)
    assert await row(backlog) == [named(2)]
    backlog.add(named(4))
    await clock.advance(30.0)

    assert await row(backlog) == [named(4), named(1)]
    assert backlog.waiting == 0


async def test_who_comes_later_and_waits_for_less_is_not_forgotten(
    backlog: Backlog, clock: FakeClock
) -> None:
    backlog.add(named(1), 300.0)
    await clock.settle()
    backlog.add(named(2), 5.0)
    await clock.advance(5.0)

    assert await row(backlog) == [named(2)]


async def test_ten_thousand_that_wait_are_no_ten_thousand_tasks(
    backlog: Backlog, clock: FakeClock
) -> None:
    await clock.settle()
    before = len(asyncio.all_tasks())

    for number in range(10_000):
        backlog.add(named(number), 60.0 + number / 1000)
    await clock.settle()

    assert backlog.waiting == 10_000
    assert len(asyncio.all_tasks()) <= before + 2
    await clock.advance(70.0)
    assert await row(backlog) == [named(number) for number in range(10_000)]
