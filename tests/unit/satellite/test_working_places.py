"""Places are for work: who waits gives his to the next one."""

from __future__ import annotations

import asyncio

from satellite.working_places import WorkingPlaces

DEADLINE_S = 10.0


async def test_those_who_only_wait_hold_nobody_up() -> None:
    places = WorkingPlaces(2, held_s=0.001)
    forever = asyncio.Event()
    begun = 0

    async def wait() -> None:
        nonlocal begun
        async with places.place():
            begun += 1
            await forever.wait()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(wait())
        while begun < 50:
            await asyncio.sleep(0.001)
        forever.set()


async def test_those_who_work_are_as_many_as_there_are_places() -> None:
    places = WorkingPlaces(2, held_s=600.0)
    at_once, most = 0, 0

    async def work() -> None:
        nonlocal at_once, most
        async with places.place():
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(work())

    assert most == 2


async def test_a_place_that_was_given_on_is_not_given_back_as_well() -> None:
    places = WorkingPlaces(1, held_s=0.0)
    async with asyncio.timeout(DEADLINE_S):
        first = await places.take()
        second = await places.take()
    first.give_back()

    assert [*places._held] == [second]
    assert not places._without


async def test_those_who_go_on_without_a_place_are_counted_where_that_is_wanted() -> None:
    places = WorkingPlaces(1, held_s=0.0, most=2)
    async with asyncio.timeout(DEADLINE_S):
        hung = [await places.take() for _ in range(2)]
        waiting = asyncio.create_task(places.take())
        await asyncio.sleep(0.001)
        assert not waiting.done()

        hung[0].give_back()
        await waiting


async def test_who_waited_behind_very_many_that_hang_is_let_in_when_the_next_hangs() -> None:
    places = WorkingPlaces(1, held_s=0.0, most=2)
    async with asyncio.timeout(DEADLINE_S):
        hung = [await places.take() for _ in range(2)]
        await asyncio.sleep(0.001)
        waiting = [asyncio.create_task(places.take()) for _ in range(2)]
        await asyncio.sleep(0.001)

        for place in hung:
            place.give_back()
        await asyncio.gather(*waiting)


async def test_a_place_that_was_held_for_too_long_before_somebody_came_is_given_on() -> None:
    places = WorkingPlaces(1, held_s=0.001)
    await places.take()
    await asyncio.sleep(0.002)

    async with asyncio.timeout(DEADLINE_S):
        await places.take()


async def test_who_does_not_wait_any_more_takes_no_place() -> None:
    places = WorkingPlaces(1, held_s=600.0)
    held = await places.take()
    waiting = [asyncio.create_task(places.take()) for _ in range(2)]
    await asyncio.sleep(0)

    waiting[0].cancel()
    held.give_back()

    async with asyncio.timeout(DEADLINE_S):
        await waiting[1]
