"""Does the fake clock keep what ``common.clock.Clock`` promises, without ever waiting?"""

from __future__ import annotations

import asyncio
import time

import pytest

from common.clock import Clock, SystemClock
from tests.support.clock import FakeClock

WEEK_S = 7 * 86_400.0


async def test_sleepers_wake_in_order_each_at_its_own_instant() -> None:
    clock = FakeClock(monotonic_s=0.0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic_s()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("late", 30.0), ("early", 10.0), ("same", 10.0)):
            group.create_task(sleeper(name, seconds))
        await clock.advance(20.0)
        assert woken == [("early", 10.0), ("same", 10.0)]
        await clock.advance(10.0)

    assert woken[2] == ("late", 30.0)


async def test_a_task_that_sleeps_again_is_woken_again_within_one_advance() -> None:
    clock = FakeClock(monotonic_s=0.0)
    ticks: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(45.0)
            ticks.append(clock.monotonic_s())

    task = asyncio.create_task(ticker())
    await clock.advance(WEEK_S)
    task.cancel()

    assert len(ticks) == WEEK_S // 45
    assert ticks[:3] == [45.0, 90.0, 135.0]


async def test_a_week_takes_no_time_and_shows_on_both_clocks() -> None:
    clock = FakeClock()
    wall, monotonic, started = clock.now_us(), clock.monotonic_s(), time.monotonic()

    await clock.advance(WEEK_S)

    assert clock.now_us() - wall == WEEK_S * 1_000_000
    assert clock.monotonic_s() - monotonic == WEEK_S
    assert time.monotonic() - started < 60


async def test_a_jump_moves_the_wall_clock_alone_and_wakes_nobody() -> None:
    clock = FakeClock()
    wall, monotonic = clock.now_us(), clock.monotonic_s()
    task = asyncio.create_task(clock.sleep(60.0))
    await clock.settle()

    clock.jump(-86_400)
    await clock.settle()

    assert (clock.now_us(), clock.monotonic_s()) == (wall - 86_400_000_000, monotonic)
    assert clock.sleepers == 1
    await clock.advance(60)
    await task


async def test_a_cancelled_sleeper_is_forgotten() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(5.0))
    await clock.settle()

    task.cancel()
    await clock.advance(10.0)

    assert task.cancelled()
    assert clock.sleepers == 0


@pytest.mark.parametrize("clock", [FakeClock(), SystemClock()], ids=["fake", "system"])
async def test_fake_and_real_clock_agree_on_what_no_time_means(clock: Clock) -> None:
    before_us, before_s = clock.now_us(), clock.monotonic_s()

    await clock.sleep(0.0)
    await clock.sleep(-1.0)

    assert clock.now_us() >= before_us
    assert clock.monotonic_s() >= before_s
