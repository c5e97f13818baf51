"""What is away stays so over a restart, is asked by hints, and its senders are told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from common.envelope import DsnParameters, Notify
from common.errors import DiskFull
from common.preferences import Document
from common.preferences.documents import canonical_json
from common.states import State
from satellite.delivery.decisions import hold as hold_module
from satellite.delivery.decisions.hold import PROBE_S_MAX, Hold
from satellite.delivery.decisions.routing import Destination
from satellite.delivery.placing import HELD_BEFORE
from satellite.delivery.turns.context import FAULT_PAUSE_S
from satellite.spool.model.messages import Origin, Stored
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, route
from tests.support.smtp.next_hop import STALL, NextHop
from tests.support.smtp.tireless_hop import TirelessHop
from tests.support.spool.held_mail import fill

HOUR_S = 3_600.0
ACME = "x@acme.example"
NOBODY = "127.0.0.1:1"


def policy(**values: Any) -> Document:
    return Document("policy", "cluster", 1, canonical_json(values))


def notices(room: DeliveryRoom) -> list[Stored]:
    return [stored for stored in room.unfinished() if stored.origin is Origin.BOUNCE]


async def test_a_hold_outlives_a_restart_with_its_since_and_begins_with_one_probe(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        since_us = clock.now_us()
        for number in range(20):
            message = await room.accept(ACME, sender=f"a{number}@sender.example")
            await room.until_state(message, State.HELD)
        await room.soon(room.spool.holds)
        sessions = hop.sessions
        await clock.advance(20)

        room = await open_room()
        await hop.until(lambda: hop.sessions == sessions + 1)
        await clock.advance(30)

        (hold,) = room.delivery.holds()
        assert (hold.since_us, hold.messages) == (since_us, 20)
        assert hop.sessions == sessions + 1
        (mark,) = room.spool.holds()
        assert (mark.destination, mark.since_us) == ("acme.example", since_us)

        hop.script["greeting"] = b"220 back\r\n"
        await clock.advance(45)
        await room.until(lambda: not room.spool.counts()[State.HELD])
        await room.soon(lambda: not room.spool.holds())
    assert len(hop.taken) == 20


async def test_held_mail_whose_mark_was_lost_is_probed_and_not_stormed(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await open_room(route("acme.example", "a:25"))
    await fill(room.spool, clock, ACME, count=3000, sender="")  # more than is read in one pass
    room = await open_room()
    hop = TirelessHop(clock)
    hop.away = {"acme.example"}
    hop.replace_connections(room.delivery, monkeypatch)

    await room.soon(lambda: not room.delivery._placing.has_more)

    assert len(hop.asked_s["acme.example"]) == 1
    assert room.delivery.holds()[0].messages == 3000


async def test_a_hold_that_ended_while_the_backlog_was_read_does_not_begin_again(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await open_room(route("acme.example", "a:25"))
    await fill(room.spool, clock, ACME, count=3000, sender="")
    room = await open_room()
    TirelessHop(clock).replace_connections(room.delivery, monkeypatch)
    real, begun = room.delivery._lanes.away, []

    def away(destination: Destination, hold: Hold, **more: float) -> None:
        begun.append(hold.reason)
        real(destination, hold, **more)

    monkeypatch.setattr(room.delivery._lanes, "away", away)
    async with asyncio.timeout(60):
        while room.spool.counts()[State.HELD]:
            await asyncio.sleep(0.01)  # no clock moves: nothing waits for a second probe

    assert begun == [HELD_BEFORE]
    await room.soon(lambda: not room.spool.holds())


async def test_a_hold_without_mail_is_forgotten_at_the_next_start(open_room: OpenRoom) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await room.accept(ACME)
        await room.until_state(message, State.HELD)
        await room.soon(room.spool.holds)
        await room.spool.freeze(message, "an operator")

        room = await open_room()
        await room.soon(lambda: not room.spool.holds())
    assert room.delivery.holds() == []


async def test_a_mark_that_a_full_disk_refused_is_written_later(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await open_room(route("acme.example", NOBODY))
    real, refused = room.spool.mark_away, asyncio.Event()

    async def mark_away(mark: Any) -> None:
        if not refused.is_set():
            refused.set()
            raise DiskFull("the spool's disk is full")
        await real(mark)

    monkeypatch.setattr(room.spool, "mark_away", mark_away)
    message = await room.accept(ACME)
    await room.until_state(message, State.HELD)
    await refused.wait()
    await clock.advance(FAULT_PAUSE_S + 1)

    await room.soon(room.spool.holds)


async def test_a_hint_asks_at_once_whether_a_server_is_back(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await room.accept(ACME)
        await room.until_state(message, State.HELD)
        hop.script["greeting"] = b"220 back\r\n"

        room.delivery.hint("globex.example")
        await clock.advance(3)
        assert room.states(message) == [State.HELD]
        room.delivery.hint("acme.example")
        await room.until_ended(message)

    assert room.delivery.reached() == ("acme.example",)
    assert room.delivery.reached() == ()


async def test_a_probe_that_cannot_look_up_its_hosts_leaves_the_rest_held(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    room = await open_room(route("acme.example", NOBODY))
    messages = [await room.accept(ACME) for _ in range(3)]
    for message in messages:
        await room.until_state(message, State.HELD)

    await room.set_routes(route("other.example", NOBODY))  # the domain has lost its route
    await clock.advance(46)
    await room.soon(lambda: "no route" in room.delivery.holds()[0].reason)

    assert [room.states(message) for message in messages] == [[State.HELD]] * 3


async def test_a_sender_is_told_once_of_a_delay_and_never_against_its_wish(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    room = await open_room(
        route("acme.example", NOBODY), policy(notice_hours=0.5), smarthost="127.0.0.1:2"
    )
    plain = await room.accept(ACME)
    wanted = await room.accept(
        ACME, dsn_parameters=(DsnParameters(notify=frozenset({Notify.DELAY})),)
    )
    failure = await room.accept(
        ACME, dsn_parameters=(DsnParameters(notify=frozenset({Notify.FAILURE})),)
    )
    never = await room.accept(
        ACME, dsn_parameters=(DsnParameters(notify=frozenset({Notify.NEVER})),)
    )
    nobody = await room.accept(ACME, sender="")
    for message in (plain, wanted, failure, never, nobody):
        await room.until_state(message, State.HELD)

    # Not to the very instant: a probe that ends late on a busy machine rightly tells of it then.
    await clock.advance(0.5 * HOUR_S - 1)
    assert not notices(room)
    await clock.advance(3)
    await room.until(lambda: len(room.events("bounce_made")) == 2)
    await clock.advance(HOUR_S)  # some eighty probes, and each is a real connection

    assert len(room.events("bounce_made")) == 2
    told = {m: room.spool.message(m) for m in (plain, wanted, failure, never, nobody)}
    assert [bool(s and s.recipients[0].told_us) for s in told.values()] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert all(room.states(m) == [State.HELD] for m in told)


async def test_a_notice_is_not_repeated_after_a_restart(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    room = await open_room(
        route("acme.example", NOBODY), policy(notice_hours=1), smarthost="127.0.0.1:2"
    )
    message = await room.accept(ACME)
    await room.until_state(message, State.HELD)
    await clock.advance(HOUR_S + 2)
    await room.until(lambda: room.events("bounce_made"))

    room = await open_room(smarthost="127.0.0.1:2")
    await clock.advance(3 * HOUR_S)
    await room.until(room.delivery.holds)

    assert len(room.events("bounce_made")) == 1


async def test_who_is_put_off_by_a_server_that_is_there_is_told_too(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(RCPT=b"451 4.2.1 Mailbox busy\r\n") as hop:
        room = await open_room(
            route("acme.example", f"{hop.host}:{hop.port}"),
            policy(notice_hours=0.5),
            smarthost="127.0.0.1:2",
            first_wait_s=7200,
            longest_wait_s=7200,
        )
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)
        stored = room.spool.message(message)
        assert stored is not None
        next_us = stored.recipients[0].next_us

        await clock.advance(0.5 * HOUR_S + 2)
        await room.until(lambda: room.events("bounce_made"))

        stored = room.spool.message(message)
        assert stored is not None
        assert stored.recipients[0].next_us == next_us  # it was not tried for that
        assert stored.recipients[0].attempts == 1
        (notice,) = notices(room)
        with room.spool.open_body(notice) as body:
            text = body.read(0, body.size)
    assert b"Status: 4.2.1" in text
    assert b"451 4.2.1 Mailbox busy" in text
    assert hop.verbs.count("MAIL") == 1


async def test_what_was_held_goes_by_a_probe_whose_message_the_server_keeps_waiting(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    answers = iter([STALL])
    async with NextHop(dot=lambda _line: next(answers, b"250 2.0.0 Taken\r\n")) as hop:
        room = await open_room(
            route("acme.example", f"{hop.host}:{hop.port}"), reply_timeout_s=600, dot_timeout_s=600
        )
        await hop.stop()
        held = []
        for _ in range(3):
            held.append(await room.accept(ACME))
            await room.until_state(held[-1], State.HELD)
            await clock.advance(0.01)  # so that they have an order

        await hop.start()
        await clock.advance(PROBE_S_MAX)
        for message in held[1:]:
            await room.until_ended(message)

        assert State.DELIVERED not in room.states(held[0])


async def test_a_probe_of_a_server_that_only_takes_its_time_comes_to_an_end(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_module, "PROBE_OPEN_S_MAX", 0.05)
    monkeypatch.setattr(hold_module, "ASKED_S_MIN", 0.05)
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await room.accept(ACME)
        await room.until_state(message, State.HELD)
        # Each step is within its own deadline, and all of them together are not.
        hop.script["greeting"] = b"220-wait\r\n" * 3
        await clock.advance(46)
        await room.soon(lambda: "no answer" in room.delivery.holds()[0].reason)

        hop.script["greeting"] = b"220 back\r\n"
        monkeypatch.setattr(hold_module, "PROBE_OPEN_S_MAX", 36.0)
        await clock.advance(46)
        await room.until_ended(message)
