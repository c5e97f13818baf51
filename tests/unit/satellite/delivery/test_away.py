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
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination
from satellite.delivery.placing import HELD_BEFORE
from satellite.delivery.turns.context import FAULT_PAUSE_S
from satellite.spool.model.messages import Origin, Stored
from tests.support.clock import FakeClock
from tests.support.smtp.next_hop import NextHop
from tests.support.smtp.tireless_hop import TirelessHop
from tests.support.spool.held_mail import fill
from tests.unit.satellite.delivery.conftest import House, OpenHouse, route

HOUR_S = 3_600.0
ACME = "x@acme.example"
NOBODY = "127.0.0.1:1"


def policy(**values: Any) -> Document:
    return Document("policy", "cluster", 1, canonical_json(values))


def notices(house: House) -> list[Stored]:
    return [stored for stored in house.unfinished() if stored.origin is Origin.BOUNCE]


async def test_a_hold_outlives_a_restart_with_its_since_and_begins_with_one_probe(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        house = await open_house(route("acme.example", f"{hop.host}:{hop.port}"))
        since_us = clock.now_us()
        for number in range(20):
            message = await house.accept(ACME, sender=f"a{number}@sender.example")
            await house.until_state(message, State.HELD)
        await house.soon(house.spool.holds)
        sessions = hop.sessions
        await clock.advance(20)

        house = await open_house()
        await hop.until(lambda: hop.sessions == sessions + 1)
        await clock.advance(30)

        (hold,) = house.delivery.holds()
        assert (hold.since_us, hold.messages) == (since_us, 20)
        assert hop.sessions == sessions + 1
        (mark,) = house.spool.holds()
        assert (mark.destination, mark.since_us) == ("acme.example", since_us)

        hop.script["greeting"] = b"220 back\r\n"
        await clock.advance(45)
        await house.until(lambda: not house.spool.counts()[State.HELD])
        await house.soon(lambda: not house.spool.holds())
    assert len(hop.taken) == 20


async def test_held_mail_whose_mark_was_lost_is_probed_and_not_stormed(
    open_house: OpenHouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(route("acme.example", "a:25"))
    await fill(house.spool, clock, ACME, count=3000, sender="")  # more than is read in one pass
    house = await open_house()
    hop = TirelessHop(clock)
    hop.away = {"acme.example"}
    hop.replace_connections(house.delivery, monkeypatch)

    await house.soon(lambda: not house.delivery._placing.has_more)

    assert len(hop.asked_s["acme.example"]) == 1
    assert house.delivery.holds()[0].messages == 3000


async def test_a_hold_that_ended_while_the_backlog_was_read_does_not_begin_again(
    open_house: OpenHouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(route("acme.example", "a:25"))
    await fill(house.spool, clock, ACME, count=3000, sender="")
    house = await open_house()
    TirelessHop(clock).replace_connections(house.delivery, monkeypatch)
    real, begun = house.delivery._lanes.away, []

    def away(destination: Destination, hold: Hold, **more: float) -> None:
        begun.append(hold.reason)
        real(destination, hold, **more)

    monkeypatch.setattr(house.delivery._lanes, "away", away)
    async with asyncio.timeout(60):
        while house.spool.counts()[State.HELD]:
            await asyncio.sleep(0.01)  # no clock moves: nothing waits for a second probe

    assert begun == [HELD_BEFORE]
    await house.soon(lambda: not house.spool.holds())


async def test_a_hold_without_mail_is_forgotten_at_the_next_start(open_house: OpenHouse) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        house = await open_house(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await house.accept(ACME)
        await house.until_state(message, State.HELD)
        await house.soon(house.spool.holds)
        await house.spool.freeze(message, "an operator")

        house = await open_house()
        await house.soon(lambda: not house.spool.holds())
    assert house.delivery.holds() == []


async def test_a_mark_that_a_full_disk_refused_is_written_later(
    open_house: OpenHouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await open_house(route("acme.example", NOBODY))
    real, refused = house.spool.mark_away, asyncio.Event()

    async def mark_away(mark: Any) -> None:
        if not refused.is_set():
            refused.set()
            raise DiskFull("the spool's disk is full")
        await real(mark)

    monkeypatch.setattr(house.spool, "mark_away", mark_away)
    message = await house.accept(ACME)
    await house.until_state(message, State.HELD)
    await refused.wait()
    await clock.advance(FAULT_PAUSE_S + 1)

    await house.soon(house.spool.holds)


async def test_a_hint_asks_at_once_whether_a_server_is_back(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        house = await open_house(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await house.accept(ACME)
        await house.until_state(message, State.HELD)
        hop.script["greeting"] = b"220 back\r\n"

        house.delivery.hint("globex.example")
        await clock.advance(3)
        assert house.states(message) == [State.HELD]
        house.delivery.hint("acme.example")
        await house.until_ended(message)

    assert house.delivery.reached() == ("acme.example",)
    assert house.delivery.reached() == ()


async def test_a_probe_that_cannot_look_up_its_hosts_leaves_the_rest_held(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    house = await open_house(route("acme.example", NOBODY))
    messages = [await house.accept(ACME) for _ in range(3)]
    for message in messages:
        await house.until_state(message, State.HELD)

    await house.set_routes(route("other.example", NOBODY))  # the domain has lost its route
    await clock.advance(46)
    await house.soon(lambda: "no route" in house.delivery.holds()[0].reason)

    assert [house.states(message) for message in messages] == [[State.HELD]] * 3


async def test_a_sender_is_told_once_of_a_delay_and_never_against_its_wish(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    house = await open_house(
        route("acme.example", NOBODY), policy(notice_hours=4), smarthost="127.0.0.1:2"
    )
    plain = await house.accept(ACME)
    wanted = await house.accept(
        ACME, dsn_parameters=(DsnParameters(notify=frozenset({Notify.DELAY})),)
    )
    failure = await house.accept(
        ACME, dsn_parameters=(DsnParameters(notify=frozenset({Notify.FAILURE})),)
    )
    never = await house.accept(
        ACME, dsn_parameters=(DsnParameters(notify=frozenset({Notify.NEVER})),)
    )
    nobody = await house.accept(ACME, sender="")
    for message in (plain, wanted, failure, never, nobody):
        await house.until_state(message, State.HELD)

    await clock.advance(4 * HOUR_S)
    assert not notices(house)
    await clock.advance(2)
    await house.until(lambda: len(house.events("bounce_made")) == 2)
    await clock.advance(24 * HOUR_S)

    assert len(house.events("bounce_made")) == 2
    told = {m: house.spool.message(m) for m in (plain, wanted, failure, never, nobody)}
    assert [bool(s and s.recipients[0].told_us) for s in told.values()] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert all(house.states(m) == [State.HELD] for m in told)


async def test_a_notice_is_not_repeated_after_a_restart(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    house = await open_house(
        route("acme.example", NOBODY), policy(notice_hours=1), smarthost="127.0.0.1:2"
    )
    message = await house.accept(ACME)
    await house.until_state(message, State.HELD)
    await clock.advance(HOUR_S + 2)
    await house.until(lambda: house.events("bounce_made"))

    house = await open_house(smarthost="127.0.0.1:2")
    await clock.advance(3 * HOUR_S)
    await house.until(house.delivery.holds)

    assert len(house.events("bounce_made")) == 1


async def test_who_is_put_off_by_a_server_that_is_there_is_told_too(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    async with NextHop(RCPT=b"451 4.2.1 Mailbox busy\r\n") as hop:
        house = await open_house(
            route("acme.example", f"{hop.host}:{hop.port}"),
            policy(notice_hours=0.5),
            smarthost="127.0.0.1:2",
            first_wait_s=7200,
            longest_wait_s=7200,
        )
        message = await house.accept(ACME)
        await house.until_state(message, State.DEFERRED)
        stored = house.spool.message(message)
        assert stored is not None
        next_us = stored.recipients[0].next_us

        await clock.advance(0.5 * HOUR_S + 2)
        await house.until(lambda: house.events("bounce_made"))

        stored = house.spool.message(message)
        assert stored is not None
        assert stored.recipients[0].next_us == next_us  # it was not tried for that
        assert stored.recipients[0].attempts == 1
        (notice,) = notices(house)
        with house.spool.open_body(notice) as body:
            text = body.read(0, body.size)
    assert b"Status: 4.2.1" in text
    assert b"451 4.2.1 Mailbox busy" in text
    assert hop.verbs.count("MAIL") == 1


async def test_a_probe_of_a_server_that_only_takes_its_time_comes_to_an_end(
    open_house: OpenHouse, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold_module, "PROBE_OPEN_S_MAX", 0.05)
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        house = await open_house(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await house.accept(ACME)
        await house.until_state(message, State.HELD)
        # Each step is within its own deadline, and all of them together are not.
        hop.script["greeting"] = b"220-wait\r\n" * 3
        await clock.advance(46)
        await house.soon(lambda: "no session within" in house.delivery.holds()[0].reason)

        hop.script["greeting"] = b"220 back\r\n"
        monkeypatch.setattr(hold_module, "PROBE_OPEN_S_MAX", 36.0)
        await clock.advance(46)
        await house.until_ended(message)
