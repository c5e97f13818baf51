"""Our own faults lose nothing, deliver nothing twice in silence, and stop nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.errors import DiskFull
from common.states import State
from satellite.delivery.decisions.routing import Lookup, LookupResult
from satellite.delivery.hop.client import transact
from satellite.delivery.turns import attempt
from satellite.delivery.turns.context import FAULT_PAUSE_S
from tests.support.smtp.next_hop import NextHop
from tests.unit.satellite.delivery.conftest import OpenHouse, TableResolver, route

ACME = "x@acme.example"


def target(hop: NextHop) -> str:
    return f"{hop.host}:{hop.port}"


async def test_a_delivery_that_a_full_disk_kept_from_the_spool_is_not_done_again(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop() as hop:
        house = await open_house(route("acme.example", target(hop)))
        real, refused = house.spool.settle, asyncio.Event()

        async def settle(*facts: Any, **more: Any) -> None:
            if not refused.is_set():
                refused.set()
                raise DiskFull("the spool's disk is full")
            await real(*facts, **more)

        monkeypatch.setattr(house.spool, "settle", settle)
        message = await house.accept(ACME)
        await refused.wait()
        await house.clock.advance(FAULT_PAUSE_S + 1)
        await house.until_ended(message)

    assert len(hop.taken) == 1
    assert house.results("ended")[ACME]["outcome"] == "delivered"


async def test_without_a_mark_on_disk_no_dot_leaves_and_the_next_turn_delivers(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop() as hop:
        house = await open_house(route("acme.example", target(hop)))
        real, refused = house.spool.mark_sending, asyncio.Event()

        async def mark(*facts: Any) -> None:
            if not refused.is_set():
                refused.set()
                raise DiskFull("the spool's disk is full")
            await real(*facts)

        monkeypatch.setattr(house.spool, "mark_sending", mark)
        message = await house.accept(ACME, sending=False)
        await refused.wait()
        await hop.until(lambda: hop.open_sessions == 0 and hop.sessions == 1)
        assert hop.taken == []
        assert house.states(message) == [State.QUEUED]
        await house.clock.settle()
        await house.clock.advance(FAULT_PAUSE_S + 1)
        await house.until_ended(message)

    assert len(hop.taken) == 1


async def test_a_fault_after_the_dot_is_possibly_delivered(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop() as hop:
        house = await open_house(route("acme.example", target(hop)))
        real, failed = transact, asyncio.Event()

        async def broken_once(*facts: Any, **more: Any) -> Any:
            answers = await real(*facts, **more)
            if not failed.is_set():
                failed.set()
                raise KeyError("a fault of ours")
            return answers

        monkeypatch.setattr(attempt, "transact", broken_once)
        message = await house.accept(ACME)
        await failed.wait()
        await house.clock.settle()
        await house.clock.advance(FAULT_PAUSE_S + 1)
        await house.until(lambda: house.events("possibly_delivered"))
        await house.clock.advance(120)
        await house.until_ended(message)

    assert len(hop.taken) == 2


async def test_one_customers_dead_server_does_not_hold_up_another(
    open_house: OpenHouse, resolver: TableResolver
) -> None:
    resolver.hosts["slow.acme.example"] = Lookup(LookupResult.FAILED)
    async with NextHop() as hop:
        house = await open_house(
            route("acme.example", "slow.acme.example:25"), route("globex.example", target(hop))
        )
        for _ in range(30):
            await house.accept(ACME)
        message = await house.accept("y@globex.example")
        await house.until_ended(message)

    assert len(hop.taken) == 1


async def test_everything_is_offered_again_after_a_restart(open_house: OpenHouse) -> None:
    async with NextHop(MAIL=b"451 4.3.0 Later\r\n") as hop:
        house = await open_house(route("acme.example", target(hop)))
        message = await house.accept(ACME)
        await house.until_state(message, State.DEFERRED)

        house = await open_house()
        hop.script["MAIL"] = b"250 Ok\r\n"
        for found in house.spool.backlog.deliver:
            house.delivery.offer(found)
        await house.clock.advance(61)
        await house.until_ended(message)
