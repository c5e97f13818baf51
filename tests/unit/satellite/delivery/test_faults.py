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
from tests.support.delivery.delivery_room import OpenRoom, TableResolver, route
from tests.support.smtp.next_hop import NextHop

ACME = "x@acme.example"


def target(hop: NextHop) -> str:
    return f"{hop.host}:{hop.port}"


async def test_a_delivery_that_a_full_disk_kept_from_the_spool_is_not_done_again(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        real, refused = room.spool.settle, asyncio.Event()

        async def settle(*facts: Any, **more: Any) -> None:
            if not refused.is_set():
                refused.set()
                raise DiskFull("the spool's disk is full")
            await real(*facts, **more)

        monkeypatch.setattr(room.spool, "settle", settle)
        message = await room.accept(ACME)
        await refused.wait()
        await room.clock.advance(FAULT_PAUSE_S + 1)
        await room.until_ended(message)

    assert len(hop.taken) == 1
    assert room.results("ended")[ACME]["outcome"] == "delivered"


async def test_without_a_mark_on_disk_no_dot_leaves_and_the_next_turn_delivers(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        real, refused = room.spool.mark_sending, asyncio.Event()

        async def mark(*facts: Any) -> None:
            if not refused.is_set():
                refused.set()
                raise DiskFull("the spool's disk is full")
            await real(*facts)

        monkeypatch.setattr(room.spool, "mark_sending", mark)
        message = await room.accept(ACME, sending=False)
        await refused.wait()
        await hop.until(lambda: hop.open_sessions == 0 and hop.sessions == 1)
        assert hop.taken == []
        assert room.states(message) == [State.QUEUED]
        await room.clock.settle()
        await room.clock.advance(FAULT_PAUSE_S + 1)
        await room.until_ended(message)

    assert len(hop.taken) == 1


async def test_a_fault_after_the_dot_is_possibly_delivered(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        real, failed = transact, asyncio.Event()

        async def broken_once(*facts: Any, **more: Any) -> Any:
            answers = await real(*facts, **more)
            if not failed.is_set():
                failed.set()
                raise KeyError("a fault of ours")
            return answers

        monkeypatch.setattr(attempt, "transact", broken_once)
        message = await room.accept(ACME)
        await failed.wait()
        await room.clock.settle()
        await room.clock.advance(FAULT_PAUSE_S + 1)
        await room.until(lambda: room.events("possibly_delivered"))
        await room.clock.advance(120)
        await room.until_ended(message)

    assert len(hop.taken) == 2


async def test_one_customers_dead_server_does_not_hold_up_another(
    open_room: OpenRoom, resolver: TableResolver
) -> None:
    resolver.hosts["slow.acme.example"] = Lookup(LookupResult.FAILED)
    async with NextHop() as hop:
        room = await open_room(
            route("acme.example", "slow.acme.example:25"), route("globex.example", target(hop))
        )
        for _ in range(30):
            await room.accept(ACME)
        message = await room.accept("y@globex.example")
        await room.until_ended(message)

    assert len(hop.taken) == 1


async def test_everything_is_offered_again_after_a_restart(open_room: OpenRoom) -> None:
    async with NextHop(MAIL=b"451 4.3.0 Later\r\n") as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)

        room = await open_room()
        hop.script["MAIL"] = b"250 Ok\r\n"
        for found in room.spool.backlog.deliver:
            room.delivery.offer(found)
        await room.clock.advance(61)
        await room.until_ended(message)
