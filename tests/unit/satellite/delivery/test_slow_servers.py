"""Servers that are silent or hang hold up their own mail, and nobody else's."""

from __future__ import annotations

import asyncio

import pytest

from common.states import State
from satellite.delivery import slow_servers, worker
from satellite.delivery.decisions import hold
from satellite.delivery.decisions.hold import ASKED_S_MIN, PROBE_S_MAX
from satellite.delivery.hop import connections as connections_module
from satellite.delivery.hop.connections import LIFETIME_S
from satellite.delivery.queue import places
from satellite.delivery.queue.places import MOST, OPENING_S, TALKING_S, PlaceKind
from satellite.names.answer import Lookup, LookupResult
from satellite.spool.model.messages import Origin
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, TableResolver, route
from tests.support.smtp.next_hop import STALL, NextHop, Say
from tests.support.smtp.tireless_hop import TirelessHop

ACME, BETA = "x@acme.example", "x@beta.example"
TAKEN = b"250 2.0.0 Taken\r\n"


@pytest.fixture(autouse=True)
def no_farewell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the end of a test not wait for servers that never answer."""
    monkeypatch.setattr(worker, "CLOSE_S", 0.05)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let silence last for tenths of a second, where it takes minutes in the world."""
    monkeypatch.setattr(connections_module, "SHARE_S_MIN", 0.05)
    monkeypatch.setattr(slow_servers, "PROBE_OPEN_S_MAX", 0.2)


async def send(room: DeliveryRoom, domain: str, count: int = 1) -> None:
    for number in range(count):
        await room.accept(f"x{number}@{domain}", sending=False)


async def test_silent_customers_hold_up_nobody_whose_server_answers(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = [f"{number}.example" for number in range(600)]
    room = await open_room(
        *(route(one, "a:25", customer=one) for one in [*silent, "acme.example"]),
    )
    hop = TirelessHop(clock)
    hop.silent_names = set(silent)
    hop.replace_connections(room.delivery, monkeypatch)
    await room.until_ended(await room.accept(ACME, sending=False))
    for domain in silent:
        await send(room, domain)
    await room.soon(lambda: room.delivery._places.taken(PlaceKind.ASKING) == MOST[PlaceKind.ASKING])

    message = await room.accept(ACME, sending=False)

    await room.until_ended(message)  # no clock moves


async def test_a_server_that_is_new_has_its_turn_after_seconds_though_silent_ones_wait(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = [f"{number}.example" for number in range(300)]
    room = await open_room(*(route(one, "a:25", customer=one) for one in [*silent, "acme.example"]))
    hop = TirelessHop(clock)
    hop.silent_names = set(silent)
    hop.replace_connections(room.delivery, monkeypatch)
    for domain in silent:
        await send(room, domain)
    await room.soon(lambda: room.delivery._places.taken(PlaceKind.ASKING) == MOST[PlaceKind.ASKING])
    message = await room.accept(ACME, sending=False)

    await clock.advance(ASKED_S_MIN)
    await room.until_ended(message)
    assert len(room.delivery._lanes.on_hold) >= 100, "they made room, and are probed from now on"


async def test_a_customer_whose_name_takes_long_to_find_makes_room_and_is_not_away(
    open_room: OpenRoom,
    clock: FakeClock,
    resolver: TableResolver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(_host: str) -> Lookup[str]:
        await asyncio.Event().wait()
        return Lookup(LookupResult.FAILED)

    monkeypatch.setattr(resolver, "addresses", never)
    monkeypatch.setitem(places.MOST, PlaceKind.ASKING, 2)
    customers = [f"{number}.example" for number in range(3)]
    room = await open_room(*(route(one, f"mail.{one}:25", customer=one) for one in customers))
    first, second, _ = [await room.accept(f"x@{one}") for one in customers]

    await clock.advance(ASKED_S_MIN)

    await room.until_state(first, State.DEFERRED)
    assert room.delivery.holds() == []
    stored = room.spool.message(first)
    assert stored is not None
    assert stored.recipients[0].reason == "the hosts of 0.example were not found in time"
    assert room.states(second) == [State.SENDING], "one makes room for one"


async def test_a_session_that_hangs_after_the_dot_holds_its_own_message_alone(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    dots = 0

    def dot(_line: str) -> bytes | Say:
        nonlocal dots
        dots += 1
        return Say(TAKEN, "wait") if dots <= 10 else TAKEN

    async with NextHop(dot=dot) as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"), dot_timeout_s=600)
        await send(room, "acme.example", 40)
        await hop.until(lambda: len(hop.taken) == 10)
        assert hop.sessions == 10

        await clock.advance(TALKING_S)
        await room.until(lambda: len(room.unfinished()) == 10)

        assert 10 < hop.sessions <= 15, "a reserve of half of its limit"
        hop.go_on()
        await room.until(lambda: not room.unfinished())
        assert sorted(one.recipients for one in hop.taken) == sorted(
            (f"x{number}@acme.example",) for number in range(40)
        ), "each once"


async def test_a_session_that_is_silent_in_the_middle_holds_its_own_message_alone(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"), reply_timeout_s=300)
        await room.until_ended(await room.accept(ACME, sending=False))
        hop.script["MAIL"] = Say(b"250 Ok\r\n", "wait")
        await room.accept(ACME, sending=False)
        await hop.until(lambda: hop.verbs.count("MAIL") == 2)
        hop.script["MAIL"] = b"250 Ok\r\n"

        await clock.advance(TALKING_S)
        await room.until_ended(await room.accept(ACME, sending=False))

        assert hop.sessions == 2
        hop.go_on()
        await room.until(lambda: not room.unfinished())


async def test_a_kept_session_is_not_gone_on_with_beside_one_that_hangs(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(dot=Say(TAKEN, "wait")) as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"), reply_timeout_s=300)
        await send(room, "acme.example", 2)
        await hop.until(lambda: len(hop.taken) == 2)
        hop.go_on()
        await room.until(lambda: not room.unfinished())
        assert hop.sessions == 2, "and both are kept"
        hop.script["MAIL"] = STALL
        await room.accept(ACME, sending=False)
        await hop.until(lambda: hop.verbs.count("MAIL") == 3)
        hop.script["MAIL"] = b"250 Ok\r\n"

        await clock.advance(TALKING_S)
        await room.until_ended(await room.accept(ACME, sending=False))

        assert hop.taken[-1].session == 3, "what was opened with the one that hangs may hang too"


@pytest.mark.usefixtures("hasty")
async def test_a_silent_primary_costs_its_time_once_and_has_its_mail_again_when_it_greets(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(greeting=STALL) as primary, NextHop() as second:
        hosts = [f"{hop.host}:{hop.port}" for hop in (primary, second)]
        room = await open_room(route("acme.example", *hosts), open_timeout_s=0.4)
        for number in range(1, 6):
            await room.until_ended(await room.accept(ACME, sending=False))
            assert (len(second.taken), len(room.delivery.holds())) == (number, 0)
            await room.soon(lambda: not room.delivery._slow._asking)
            await clock.advance(420)  # five minutes of every seven it was
        asked = primary.sessions
        assert asked == 1 + 4, "once by mail, and by a probe after each that it had to do without"

        primary.script["greeting"] = b"220 back\r\n"
        await room.until_ended(await room.accept(ACME, sending=False))
        await clock.advance(45)
        await primary.until(lambda: primary.sessions > asked)
        await room.soon(lambda: not len(room.delivery._connections.silent))
        await clock.advance(120)
        await room.until_ended(await room.accept(ACME, sending=False))

    assert len(primary.taken) == 1


@pytest.mark.usefixtures("hasty")
async def test_what_asks_a_silent_host_and_fails_ends_nobodys_turn(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def broken(_host: object, *, within_s: float) -> None:
        failed.set()
        raise KeyError(within_s)

    async with NextHop(greeting=STALL) as primary, NextHop() as second:
        hosts = [f"{hop.host}:{hop.port}" for hop in (primary, second)]
        room = await open_room(route("acme.example", *hosts), open_timeout_s=0.4)
        monkeypatch.setattr(room.delivery._connections, "ask", broken)
        await room.until_ended(await room.accept(ACME, sending=False))
        second.script["dot"] = Say(TAKEN, "wait")
        await clock.advance(LIFETIME_S)
        await room.accept(ACME, sending=False)
        await second.until(lambda: len(second.taken) == 2)

        await clock.advance(PROBE_S_MAX)
        await failed.wait()
        second.go_on()
        await room.until(lambda: not room.unfinished())

    assert len(second.taken) == 2
    assert not room.events("possibly_delivered")


async def test_mail_goes_by_the_next_host_while_some_waits_for_a_silent_primary(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(greeting=STALL) as primary, NextHop() as second:
        hosts = [f"{hop.host}:{hop.port}" for hop in (primary, second)]
        room = await open_room(route("acme.example", *hosts), reply_timeout_s=300)
        await send(room, "acme.example", 40)
        await primary.until(lambda: primary.sessions == 10)

        await clock.advance(OPENING_S)
        await room.until(lambda: len(room.unfinished()) == 10)

        assert len(second.taken) == 30
        assert primary.sessions == 10


@pytest.mark.usefixtures("hasty")
async def test_destinations_share_what_is_known_of_a_host_and_return_together(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "probe_open_s", lambda **_facts: 0.2)
    async with NextHop(greeting=STALL) as hop:
        target = f"{hop.host}:{hop.port}"
        room = await open_room(
            route("acme.example", target), route("beta.example", target), open_timeout_s=0.2
        )
        first = await room.accept(ACME, sending=False)
        await room.until_state(first, State.HELD)
        sessions = hop.sessions
        others = [await room.accept(BETA, sending=False) for _ in range(20)]
        for other in others:
            await room.until_state(other, State.HELD)
        assert hop.sessions == sessions, "nobody waited for it again"

        hop.script["greeting"] = b"220 back\r\n"
        await clock.advance(45)
        await room.until(lambda: not room.unfinished())
    assert len(hop.taken) == 21


async def test_a_dsn_that_leads_to_a_silent_host_takes_no_customers_place(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await open_room(route("acme.example", "a:25"))
    hop = TirelessHop(clock)
    hop.silent_names = {f"{number}.example" for number in range(200)}
    hop.refused = {"acme.example"}
    hop.replace_connections(room.delivery, monkeypatch)
    for number in range(200):
        await room.accept(ACME, sender=f"a@{number}.example", sending=False)
    await room.soon(
        lambda: room.delivery._places.taken(PlaceKind.STRANGER) == MOST[PlaceKind.STRANGER]
    )
    await room.until(lambda: {one.origin for one in room.unfinished()} == {Origin.BOUNCE})
    assert len(room.unfinished()) == 200

    assert room.delivery._places.taken(PlaceKind.ASKING) == 0
    hop.refused = set()
    await room.until_ended(await room.accept(ACME, sending=False))
