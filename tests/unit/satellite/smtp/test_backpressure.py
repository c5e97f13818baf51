"""Senders come at the pace of scanning, and never wait for long."""

from __future__ import annotations

import asyncio

from satellite.smtp.backpressure import OPEN_BELOW, WAIT_S_MAX, WAITING_MAX, Backpressure


class Inside:
    """Backpressure with a backlog, and those who came through in their order."""

    def __init__(self, backlog: int) -> None:
        self.backlog = backlog
        self.through: list[int] = []
        self.backpressure = Backpressure(lambda: self.backlog)
        self._tasks: list[asyncio.Task[None]] = []

    async def come(self, *numbers: int, now_s: float = 0.0) -> None:
        for number in numbers:
            self._tasks.append(asyncio.create_task(self._come(number, now_s)))
        await self.turns()

    async def leave(self, place: int) -> None:
        self._tasks[place].cancel()
        await self.turns()

    async def turns(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _come(self, number: int, now_s: float) -> None:
        await self.backpressure.turn(now_s)
        self.through.append(number)


async def test_nobody_waits_while_there_is_little_to_judge() -> None:
    inside = Inside(OPEN_BELOW - 1)

    await inside.come(1, 2, 3)

    assert inside.through == [1, 2, 3]


async def test_each_message_that_was_judged_lets_one_in_who_waited_longest() -> None:
    inside = Inside(OPEN_BELOW)
    await inside.come(1, 2, 3)
    assert inside.through == []

    inside.backpressure.judged()
    assert len(inside.backpressure) == 3, "there are still too many inside"
    inside.backlog = OPEN_BELOW - 1
    inside.backpressure.judged()
    await inside.turns()
    assert inside.through == [1]

    await inside.come(4)
    assert inside.through == [1], "nobody comes before those who wait"
    inside.backlog = OPEN_BELOW - 2
    inside.backpressure.judged()
    await inside.turns()
    assert inside.through == [1, 2, 3]


async def test_with_many_waiting_no_more_connections_are_taken_until_half_are_gone() -> None:
    inside = Inside(OPEN_BELOW)
    await inside.come(*range(WAITING_MAX - 1))
    assert not inside.backpressure.is_full

    await inside.come(WAITING_MAX)
    assert inside.backpressure.is_full
    assert inside.backpressure.crossed.is_set()
    inside.backpressure.crossed.clear()

    inside.backlog = OPEN_BELOW - 1
    while inside.backpressure.is_full:
        inside.backpressure.judged()
    assert len(inside.backpressure) == WAITING_MAX // 2 - 1
    assert inside.backpressure.crossed.is_set()


async def test_when_nothing_moves_it_stands_open_until_the_backlog_is_gone() -> None:
    inside = Inside(OPEN_BELOW)
    await inside.come(1, 2, now_s=100.0)
    inside.backpressure.look(100.0 + WAIT_S_MAX - 0.1)
    await inside.turns()
    assert inside.through == []

    inside.backpressure.look(100.0 + WAIT_S_MAX)
    await inside.come(3)
    assert inside.through == [1, 2, 3]

    inside.backlog = 0
    inside.backpressure.look(200.0)
    inside.backlog = OPEN_BELOW
    await inside.come(4, now_s=201.0)
    assert inside.through == [1, 2, 3], "and then it works as before"


async def test_who_was_let_in_and_went_away_does_not_leave_the_others_waiting() -> None:
    inside = Inside(OPEN_BELOW)
    await inside.come(1, 2)
    inside.backlog = 0  # nothing is judged any more, so nobody is called

    inside.backpressure.look(1.0)
    await inside.turns()

    assert inside.through == [1, 2]


async def test_a_session_that_ends_while_it_waits_is_forgotten() -> None:
    inside = Inside(OPEN_BELOW)
    await inside.come(*range(WAITING_MAX))
    await inside.leave(0)
    assert len(inside.backpressure) == WAITING_MAX - 1

    inside.backlog = OPEN_BELOW - 1
    inside.backpressure.judged()
    await inside.turns()

    assert inside.through == [1]
