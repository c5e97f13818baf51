"""A round of the event loop is as long as its part, however many ask for more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from satellite.loop_round import PIECE_S, ROUND_S, LoopRound
from tests.support.clock import FakeClock

DEADLINE_S = 10.0


class WorkClock(FakeClock):
    """Time passes by what is done alone."""

    def __init__(self) -> None:
        super().__init__()
        self.worked_s = 0.0

    def monotonic_s(self) -> float:
        return self.worked_s

    def work(self, seconds: float) -> None:
        self.worked_s += seconds


async def rounds_of(clock: WorkClock, is_done: Callable[[], bool]) -> list[float]:
    """Return how long each round of the loop was, until all is done."""
    lengths, before_s = [], clock.worked_s
    async with asyncio.timeout(DEADLINE_S):
        while not is_done():
            await asyncio.sleep(0)
            lengths.append(clock.worked_s - before_s)
            before_s = clock.worked_s
    return lengths


async def test_who_comes_first_in_a_round_is_dealt_with_at_once() -> None:
    clock = WorkClock()
    loop_round = LoopRound(clock)

    assert not loop_round.is_spent()
    clock.work(ROUND_S / 2)
    assert not loop_round.is_spent()
    clock.work(ROUND_S)
    assert loop_round.is_spent()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not loop_round.is_spent()


async def test_a_hundred_who_ask_at_once_are_dealt_with_in_rounds_and_in_order() -> None:
    clock, done = WorkClock(), list[int]()
    loop_round = LoopRound(clock)

    def work(number: int) -> None:
        clock.work(0.001)
        done.append(number)

    def ask(number: int) -> None:
        if loop_round.is_spent():
            loop_round.later(partial(work, number))
        else:
            work(number)

    for number in range(100):
        asyncio.get_running_loop().call_soon(ask, number)
    lengths = await rounds_of(clock, lambda: len(done) == 100)

    assert done == list(range(100))
    assert max(lengths) < ROUND_S + 0.0015


async def test_what_is_short_waits_for_no_more_than_a_round_and_one_long_piece() -> None:
    clock, done = WorkClock(), list[str]()
    loop_round = LoopRound(clock)

    def work(name: str) -> None:
        clock.work(1.5 * ROUND_S)
        done.append(name)

    for number in range(50):
        loop_round.later(partial(work, f"long {number}"), is_long=True)
    await rounds_of(clock, lambda: len(done) >= 10)
    loop_round.later(partial(work, "short"))
    await rounds_of(clock, lambda: "short" in done)

    assert done.index("short") <= 11


async def test_tasks_that_take_a_piece_each_time_go_on_by_turns() -> None:
    clock, done = WorkClock(), list[int]()
    loop_round = LoopRound(clock)

    async def send(number: int) -> None:
        for _ in range(10):
            await loop_round.breathe()
            clock.work(PIECE_S)
            done.append(number)

    tasks = [asyncio.create_task(send(number)) for number in range(100)]
    lengths = await rounds_of(clock, lambda: len(done) == 1000)
    await asyncio.gather(*tasks)

    assert max(lengths) < 2 * ROUND_S + PIECE_S
    assert set(done[:200]) == set(range(100))


async def test_who_is_cancelled_while_it_waits_takes_nobodys_time() -> None:
    loop_round = LoopRound(WorkClock())
    loop_round.later(lambda: None, is_long=True)
    waiting = [asyncio.create_task(loop_round.breathe()) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting[:19]:
        task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert waiting[19].done()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_takes_longer_than_a_round_has_one_to_itself() -> None:
    clock, done = WorkClock(), list[int]()
    loop_round = LoopRound(clock)

    def work(number: int) -> None:
        clock.work(3 * ROUND_S)
        done.append(number)

    for number in range(3):
        loop_round.later(partial(work, number))
    lengths = await rounds_of(clock, lambda: len(done) == 3)

    assert done == [0, 1, 2]
    assert max(lengths) < 4 * ROUND_S


async def test_nothing_is_called_again_and_again_while_nobody_asks() -> None:
    loop_round = LoopRound(WorkClock())
    loop_round.is_spent()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert loop_round._began_s is None
