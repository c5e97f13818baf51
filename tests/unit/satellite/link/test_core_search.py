"""While a core is accepted, its other addresses are looked at, and a later one there is taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from common.link import CoreStanding
from common.preferences import Epoch, Position
from satellite.link.core_choice import Reached
from satellite.link.core_search import LOOK_S, CoreSearch
from satellite.link.other_core import FollowedCore
from tests.support.clock import FakeClock

A, B, C = "192.0.2.1:7443", "192.0.2.2:7443", "192.0.2.3:7443"
HALF = 0.5


class Searched:
    """A search among addresses, at some of which there is a core."""

    def __init__(self, *addresses: str) -> None:
        self.clock = FakeClock()
        self.search = CoreSearch(addresses, clock=self.clock, spread=lambda: HALF)
        self.reached = Reached.ACCEPTED
        self.there: dict[str, CoreStanding] = {}
        self.looked: list[tuple[float, str]] = []
        self.task = self._moved()

    def _moved(self) -> asyncio.Task[None]:
        ours = FollowedCore("a" * 32, Epoch(4, "ours"), Position(Epoch(4, "ours"), 7))
        return asyncio.create_task(
            self.search.moved(reached=lambda: self.reached, ours=lambda: ours, look=self._look)
        )

    async def _look(self, address: str) -> CoreStanding | None:
        self.looked.append((self.clock.monotonic_s() - 1000.0, address))
        return self.there.get(address)

    def put(self, address: str, *, generation: int) -> None:
        position = Position(Epoch(generation, "other"), 1)
        self.there[address] = CoreStanding(position=position, digest=bytes(32), life="b" * 32)

    async def go_on(self) -> None:
        """Dial where the last one has moved to."""
        await self.task
        self.task = self._moved()


@pytest.fixture
async def made() -> AsyncIterator[list[Searched]]:
    made: list[Searched] = []
    yield made
    for one in made:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)


async def test_each_other_address_has_its_turn_within_a_minute_and_nothing_there_is_no_news(
    made: list[Searched],
) -> None:
    made.append(searched := Searched(A, B, C))

    with capture_logs() as said:
        await searched.clock.advance(2.1 * LOOK_S)

    assert [address for _, address in searched.looked] == [B, C, B, C]
    times = [at_s for at_s, _ in searched.looked]
    assert all(at_s <= (n + 1) * (LOOK_S / 2 + 1.0) for n, at_s in enumerate(times))
    assert said == []
    assert searched.search.other_cores == ()


@pytest.mark.parametrize("reached", [Reached.NOTHING, Reached.UNJUDGED, Reached.REFUSED])
async def test_without_a_core_of_its_own_nobody_looks_at_others(
    made: list[Searched], reached: Reached
) -> None:
    made.append(searched := Searched(A, B))
    searched.reached = reached
    searched.put(B, generation=5)

    for _ in range(6):
        await searched.clock.advance(LOOK_S)
        if searched.task.done():
            await searched.go_on()

    assert searched.looked == []


async def test_a_later_core_is_dialled_and_the_log_says_so_once(made: list[Searched]) -> None:
    made.append(searched := Searched(A, B))
    searched.put(B, generation=5)

    with capture_logs() as said:
        await searched.clock.advance(1.1 * LOOK_S)

    assert searched.task.done()
    assert (searched.search.address, searched.search.moves) == (B, 1)
    assert said == [
        {
            "event": "link.core_moved",
            "log_level": "info",
            "address": B,
            "former": A,
            "found": "an earlier one",
        }
    ]


async def test_one_that_should_not_run_is_told_of_until_it_is_gone(made: list[Searched]) -> None:
    made.append(searched := Searched(A, B))
    searched.put(B, generation=3)

    with capture_logs() as said:
        await searched.clock.advance(3.5 * LOOK_S)
    told = searched.search.other_cores
    searched.there.clear()
    await searched.clock.advance(1.5 * LOOK_S)

    assert len(searched.looked) >= 4
    assert not searched.task.done()
    [one] = told
    assert one.startswith(f"an earlier core runs at {B}")
    assert [line["event"] for line in said] == ["link.another_core"], "said once"
    assert searched.search.other_cores == ()


async def test_a_search_in_vain_costs_a_line_a_minute_for_each_way(made: list[Searched]) -> None:
    made.append(searched := Searched(A, B))
    searched.reached = Reached.NOTHING

    with capture_logs() as said:
        for _ in range(600):
            await searched.clock.advance(1.0)
            if searched.task.done():
                await searched.go_on()

    assert searched.search.moves > 20
    assert len(said) <= 2 * 10 + 2
    assert any("left_out" in line for line in said)


async def test_with_one_address_nothing_is_looked_at(made: list[Searched]) -> None:
    made.append(searched := Searched(A))
    for reached in Reached:
        searched.reached = reached
        await searched.clock.advance(10 * LOOK_S)

    assert searched.looked == []
    assert searched.clock.sleepers == 0
    assert not searched.task.done()
    assert (searched.search.address, searched.search.moves) == (A, 0)
