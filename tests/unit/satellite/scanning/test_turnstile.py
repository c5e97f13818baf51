"""The turnstile: one message is alone with an engine, for a moment at most."""

from __future__ import annotations

import asyncio

from satellite.scanning.turnstile import Turnstile

DEADLINE_S = 20.0


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_wants_to_be_alone_waits_for_those_inside_and_holds_the_others_back() -> None:
    turnstile, seen = Turnstile(alone_s=DEADLINE_S), list[str]()

    async def alone() -> None:
        async with turnstile.alone():
            seen.append("alone")
            await goes_on.wait()

    async def other() -> None:
        await turnstile.enter()
        seen.append("other")
        turnstile.leave()

    goes_on = asyncio.Event()
    await turnstile.enter()
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        group.create_task(alone())
        await settle()
        group.create_task(other())
        await settle()
        assert seen == []

        turnstile.leave()
        await settle()
        assert seen == ["alone"]

        goes_on.set()
    assert seen == ["alone", "other"]


async def test_nobody_waits_for_longer_than_a_moment() -> None:
    turnstile = Turnstile(alone_s=0.02)
    await turnstile.enter()  # and never leaves

    async with asyncio.timeout(DEADLINE_S):
        async with turnstile.alone():
            await turnstile.enter()


async def test_of_two_who_want_to_be_alone_each_is() -> None:
    turnstile, inside = Turnstile(alone_s=DEADLINE_S), list[int]()

    async def alone() -> None:
        async with turnstile.alone():
            inside.append(1)
            await settle()
            assert len(inside) == 1
            inside.pop()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(alone())


async def test_who_is_cancelled_while_alone_or_before_holds_nobody_back() -> None:
    turnstile = Turnstile(alone_s=DEADLINE_S)

    async def alone() -> None:
        async with turnstile.alone():
            await asyncio.Event().wait()

    for is_busy in (False, True):
        if is_busy:
            await turnstile.enter()
        waiting = asyncio.create_task(alone())
        await settle()
        waiting.cancel()
        await asyncio.wait([waiting])
        async with asyncio.timeout(DEADLINE_S):
            await turnstile.enter()
            turnstile.leave()


async def test_whoever_waits_outside_enters_before_the_next_one_is_alone() -> None:
    """Else a hundred who want to be alone hold all others back for a hundred moments."""
    turnstile, seen = Turnstile(alone_s=DEADLINE_S), list[str]()

    async def alone(number: int) -> None:
        async with turnstile.alone():
            seen.append(f"alone {number}")
            await settle()

    async def other() -> None:
        await turnstile.enter()
        seen.append("other")
        turnstile.leave()

    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(alone(number))
        await asyncio.sleep(0)
        group.create_task(other())

    assert seen[:3] == ["alone 0", "other", "alone 1"]


async def test_who_was_not_alone_to_the_end_is_told_so() -> None:
    turnstile, goes_on = Turnstile(alone_s=0.02), asyncio.Event()

    async with turnstile.alone() as was_alone:
        assert was_alone()
    await turnstile.enter()
    async with asyncio.timeout(DEADLINE_S), turnstile.alone() as was_alone:
        assert not was_alone(), "one is inside still"
    turnstile.leave()
    async with asyncio.timeout(DEADLINE_S), turnstile.alone() as was_alone:
        entering = asyncio.create_task(turnstile.enter())
        entering.add_done_callback(lambda _: goes_on.set())
        await goes_on.wait()
        assert not was_alone(), "the others waited for long enough"


async def test_who_takes_longer_than_a_moment_holds_back_neither_the_others_nor_the_next() -> None:
    turnstile = Turnstile(alone_s=0.02)

    async with asyncio.timeout(DEADLINE_S), turnstile.alone(), turnstile.alone() as was_alone:
        assert not was_alone(), "the one before is inside still"
    async with turnstile.alone() as was_alone:
        assert was_alone()
