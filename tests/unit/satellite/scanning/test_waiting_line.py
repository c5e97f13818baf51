"""A place goes to whoever has the lowest rank, and is never lost."""

from __future__ import annotations

import asyncio

import pytest

from satellite.judging.stage import JUDGED_AT_ONCE
from satellite.scanning.waiting_line import WAITING_MAX, NoTurn, WaitingLine

PATIENCE_S = 10.0


async def test_the_lowest_rank_is_next_and_among_equals_who_came_first() -> None:
    line, served = WaitingLine(), list[str]()

    async def wait(name: str, rank: float) -> None:
        async with line.turn(rank, patience_s=PATIENCE_S):
            served.append(name)

    async with asyncio.TaskGroup() as group, line.turn(0.0, patience_s=PATIENCE_S):
        for name, rank in (("large", 9.0), ("first", 1.0), ("second", 1.0), ("tiny", 0.5)):
            group.create_task(wait(name, rank))
        await asyncio.sleep(0)
        assert line.is_awaited

    assert served == ["tiny", "first", "second", "large"]
    assert not line.is_taken


async def test_who_has_no_turn_in_time_goes_away_and_takes_nobodys() -> None:
    line = WaitingLine()
    await line.take(0.0, patience_s=PATIENCE_S)

    with pytest.raises(NoTurn, match=r"within 0.01 s"):
        await line.take(0.0, patience_s=0.01)

    assert not line.is_awaited
    line.give_back()
    assert not line.is_taken


async def test_a_turn_that_comes_with_a_cancellation_goes_on_to_the_next() -> None:
    line = WaitingLine()
    await line.take(0.0, patience_s=PATIENCE_S)
    cancelled = asyncio.create_task(line.take(0.0, patience_s=PATIENCE_S))
    following = asyncio.create_task(line.take(0.0, patience_s=PATIENCE_S))
    await asyncio.sleep(0)

    line.give_back()
    cancelled.cancel()
    await asyncio.wait([cancelled])

    async with asyncio.timeout(PATIENCE_S):
        await following
    assert line.is_taken


async def test_of_too_many_the_last_one_goes_away_be_it_who_comes_or_who_waits() -> None:
    line = WaitingLine(waiting_max=2)
    await line.take(0.0, patience_s=PATIENCE_S)
    waiting = {
        rank: asyncio.create_task(line.take(rank, patience_s=PATIENCE_S)) for rank in (5.0, 3.0)
    }
    await asyncio.sleep(0)

    with pytest.raises(NoTurn, match="too many"):
        await line.take(9.0, patience_s=PATIENCE_S)
    waiting[1.0] = asyncio.create_task(line.take(1.0, patience_s=PATIENCE_S))
    with pytest.raises(NoTurn, match="too many"):
        await waiting[5.0]

    for rank in (1.0, 3.0):
        line.give_back()
        await waiting[rank]
    line.give_back()
    assert not line.is_taken


async def test_who_is_sent_away_and_cancelled_in_one_moment_gives_nothing_back() -> None:
    line = WaitingLine(waiting_max=1)
    await line.take(0.0, patience_s=PATIENCE_S)
    last = asyncio.create_task(line.take(5.0, patience_s=PATIENCE_S))
    await asyncio.sleep(0)
    following = asyncio.create_task(line.take(1.0, patience_s=PATIENCE_S))
    await asyncio.sleep(0)

    last.cancel()
    await asyncio.wait([last])

    assert line.is_taken
    assert not following.done()
    line.give_back()
    await following


def test_those_who_wait_for_a_helper_leave_room_to_whoever_needs_none() -> None:
    lines, at_work = 2, 2

    assert lines * WAITING_MAX + at_work < JUDGED_AT_ONCE


async def test_who_was_served_much_meanwhile_goes_behind_others_that_came_later() -> None:
    served = list[str]()
    line = WaitingLine(lambda whose: 10.0 * sum(name[0] == whose for name in served))

    async def wait(name: str, rank: float) -> None:
        async with line.turn(rank, patience_s=PATIENCE_S, whose=name[0]):
            served.append(name)

    async with asyncio.TaskGroup() as group, line.turn(0.0, patience_s=PATIENCE_S):
        for number in range(4):
            group.create_task(wait(f"a{number}", float(number)))
        group.create_task(wait("b", 14.0))
        await asyncio.sleep(0)

    assert served == ["a0", "a1", "b", "a2", "a3"]
