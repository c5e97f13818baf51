"""Our own faults lose nothing, deliver nothing twice in silence, and stop nobody else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.errors import DiskFull, EnvironmentFailure
from common.ids import MessageId
from common.states import State
from satellite.delivery.hop.client import transact
from satellite.delivery.turns import attempt
from satellite.delivery.turns.context import FAULT_PAUSE_S
from satellite.names.answer import Lookup, LookupResult
from satellite.spool.model.messages import Stored
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import OpenRoom, TableResolver, route
from tests.support.smtp.next_hop import NextHop, Say
from tests.support.spool.open_spool import to_deliver

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
        await room.clock.advance(1_810)
        await room.until_ended(message)

    assert len(hop.taken) == 2


async def test_what_we_fail_at_is_put_off_as_if_its_server_had_and_expires(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = 0

    async def broken(*_facts: Any, **_more: Any) -> Any:
        nonlocal faults
        faults += 1
        raise KeyError("what a peer said, and nobody expected")

    monkeypatch.setattr(attempt, "transact", broken)
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME)
        await room.soon(lambda: faults)
        await clock.advance(FAULT_PAUSE_S)
        await room.until_state(message, State.DEFERRED)
        for _ in range(60):
            await clock.advance(60)
        assert faults < 10

        async with asyncio.timeout(60):  # what a try comes to is committed in real time
            while room.spool.message(message) is not None:
                await clock.advance(3_600)
                await clock.advance(FAULT_PAUSE_S)

    assert room.results("ended")[ACME]["outcome"] == "expired"


async def test_a_fault_between_turns_cuts_none_of_them(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop(dot=Say(b"250 2.0.0 Taken\r\n", "wait")) as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME)
        await hop.until(lambda: len(hop.taken) == 1)
        real, failed = room.delivery._placing.place, asyncio.Event()

        def broken_once() -> None:
            if not failed.is_set():
                failed.set()
                raise KeyError("a fault of ours")
            real()

        monkeypatch.setattr(room.delivery._placing, "place", broken_once)
        other = await room.accept(ACME)
        await failed.wait()
        await clock.advance(1)
        hop.go_on()
        for one in (message, other):
            await room.until_ended(one)

    assert [taken.session for taken in hop.taken] == [1, 2]


async def test_a_message_that_cannot_be_read_now_is_placed_later_and_holds_up_none(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        real = room.spool.message
        refused: list[MessageId] = []

        def message(one: MessageId) -> Stored | None:
            if one == unread and not refused:
                refused.append(one)
                raise EnvironmentFailure("the disk gave no answer")
            return real(one)

        unread = await room.accept(ACME, offer=False)
        monkeypatch.setattr(room.spool, "message", message)
        room.delivery.offer(unread)
        await room.until_ended(await room.accept(ACME))
        assert refused and room.states(unread) == [State.SENDING]

        await clock.advance(FAULT_PAUSE_S)
        await room.until_ended(unread)


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
        for found in to_deliver(room.spool):
            room.delivery.offer(found)
        await room.clock.advance(61)
        await room.until_ended(message)
