"""A host that gave no answer is passed over until it was seen to greet; only probes ask it."""

from __future__ import annotations

import asyncio
import time

import pytest

from common.preferences.deliver_to import Target
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.hold import PROBE_PLANNED_S_MAX, PROBE_S_MAX
from satellite.delivery.decisions.routing import Destination, Own, Via
from satellite.delivery.hop import connections as connections_module
from satellite.delivery.hop import silent_hosts as silent_hosts_module
from satellite.delivery.hop.connections import Connections
from satellite.delivery.hop.hop_finding import HopFinder
from satellite.delivery.hop.host_order import HESITANT_S, HopUnreachable
from satellite.delivery.hop.protection import Protection
from satellite.delivery.hop.session import Deadlines, Hop, HopFailed, HopSession
from satellite.delivery.hop.silent_hosts import SilentHosts
from satellite.delivery.hop.tls_choice import TlsChoice, TlsDemand
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import TableResolver
from tests.support.smtp.next_hop import STALL, NextHop

A, B = Destination(Via.ROUTE, "acme.example"), Destination(Via.ROUTE, "beta.example")
HOST = ("192.0.2.1", 25)
DAY_S = 86_400.0


@pytest.fixture(autouse=True)
def no_smallest_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hosts be silent for tenths of a second, where it takes whole ones in the world."""
    monkeypatch.setattr(connections_module, "SHARE_S_MIN", 0.05)


@pytest.fixture
def told() -> list[Destination]:
    return []


@pytest.fixture
def connections(clock: FakeClock, resolver: TableResolver, told: list[Destination]) -> Connections:
    return Connections(
        hostname="lon1.example",
        own=Own(mail_domain="mx.scout.example", hostname="lon1.example"),
        deadlines=Deadlines(connect_s=30, reply_s=300, dot_s=600),
        idle_max=2,
        tls=TlsChoice(Protection()),
        resolver=resolver,
        clock=clock,
        spread=lambda: 0.0,
        greets_again=told.append,
    )


async def opened(
    connections: Connections,
    *hops: NextHop,
    destination: Destination = A,
    is_probe: bool = False,
    within_s: float = 0.3,
) -> HopSession:
    return await connections.open(
        destination,
        [Target(hop.host, hop.port) for hop in hops],
        policy=TlsPolicy.OPPORTUNISTIC,
        asked_before=False,
        is_probe=is_probe,
        within_s=within_s,
    )


async def test_a_silent_host_costs_its_time_once_and_is_passed_over_from_then_on(
    connections: Connections, clock: FakeClock
) -> None:
    async with NextHop(greeting=STALL) as primary, NextHop() as second:
        for _ in range(5):
            await (await opened(connections, primary, second)).quit()
            await clock.advance(DAY_S)  # however long it is

        assert (primary.sessions, second.sessions) == (1, 5)


async def test_a_silent_host_that_mail_passes_over_is_asked_and_has_its_mail_again(
    connections: Connections, clock: FakeClock
) -> None:
    async with NextHop(greeting=STALL) as primary, NextHop() as second:
        await (await opened(connections, primary, second)).quit()
        assert connections.silent.next_due_s() is None, "no mail wanted it since"
        await (await opened(connections, primary, second)).quit()

        assert connections.silent.due(clock.monotonic_s()) is None
        await clock.advance(PROBE_S_MAX)
        host = connections.silent.due(clock.monotonic_s())
        assert host == (primary.host, primary.port)
        await connections.ask(host, within_s=0.2)
        assert host in connections.silent
        assert connections.silent.due(clock.monotonic_s()) is None, "once"

        primary.script["greeting"] = b"220 back\r\n"
        await (await opened(connections, primary, second)).quit()
        await clock.advance(PROBE_S_MAX)
        assert connections.silent.due(clock.monotonic_s()) == host
        await connections.ask(host, within_s=5)
        assert host not in connections.silent

        session = await opened(connections, primary, second)
        assert session.hop.target.port == primary.port
        assert "MAIL" not in primary.verbs
        await session.quit()


async def test_mail_that_comes_meanwhile_does_not_wait_for_a_host_that_others_wait_for(
    connections: Connections, clock: FakeClock
) -> None:
    async with NextHop(greeting=STALL) as primary, NextHop() as second:
        first = asyncio.create_task(opened(connections, primary, second, within_s=20))
        await primary.until(lambda: primary.sessions == 1)
        await clock.advance(HESITANT_S)

        await (await opened(connections, primary, second)).quit()

        assert (primary.sessions, second.sessions) == (1, 1)
        first.cancel()


async def test_a_probe_that_is_too_short_for_all_hosts_asks_the_others_next_time(
    connections: Connections, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections_module, "SHARE_S_MIN", 0.2)
    async with (
        NextHop(greeting=STALL) as one,
        NextHop(greeting=STALL) as two,
        NextHop(greeting=STALL) as three,
    ):
        hops = (one, two, three)
        with pytest.raises(HopUnreachable):
            await opened(connections, *hops, within_s=1)
        for _ in range(2):
            await clock.advance(PROBE_S_MAX)
            with pytest.raises(HopUnreachable):
                await opened(connections, *hops, is_probe=True, within_s=0.35)

        assert [hop.sessions for hop in hops] == [3, 2, 2], "the last has its turn, and the first"


async def test_all_hosts_share_one_time_and_each_is_asked(connections: Connections) -> None:
    hops = [NextHop(greeting=STALL) for _ in range(3)]
    for hop in hops:
        await hop.start()

    async with asyncio.timeout(10):  # one after the other they would have 90 seconds and more
        with pytest.raises(HopUnreachable) as failure:
            await opened(connections, *hops, within_s=0.3)

    assert failure.value.is_away
    assert [hop.sessions for hop in hops] == [1, 1, 1]
    for hop in hops:
        await hop.stop()


async def test_a_host_whose_name_took_all_the_time_is_asked_and_not_called_silent(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with NextHop() as hop:

        async def slow(*_about: object, **_more: object) -> list[Hop]:
            time.sleep(0.3)  # in one step: no timer ends it before its answer is there
            return [Hop(Target(hop.host, hop.port), hop.host)]

        monkeypatch.setattr(HopFinder, "hops", slow)
        await (await opened(connections, hop, within_s=0.3)).quit()

    assert not connections.silent


async def test_what_one_destination_learned_of_a_host_others_need_not_learn_again(
    connections: Connections, clock: FakeClock, told: list[Destination]
) -> None:
    async with NextHop(greeting=STALL) as hop:
        with pytest.raises(HopUnreachable):
            await opened(connections, hop)
        with pytest.raises(HopUnreachable) as failure:
            await opened(connections, hop, destination=B)
        assert hop.sessions == 1
        assert failure.value.is_away
        assert failure.value.next_s == clock.monotonic_s() + PROBE_PLANNED_S_MAX
        with pytest.raises(HopUnreachable):
            await opened(connections, hop, destination=B, is_probe=True)
        assert hop.sessions == 1, "it was asked less than 45 seconds ago"

        await clock.advance(PROBE_S_MAX)
        hop.script["greeting"] = b"220 back\r\n"
        await (await opened(connections, hop, is_probe=True, within_s=5)).quit()

        assert hop.sessions == 2
        assert set(told) == {A, B}
        await (await opened(connections, hop, destination=B)).quit()


async def test_a_host_that_must_not_be_used_has_not_answered(
    connections: Connections,
    clock: FakeClock,
    told: list[Destination],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with NextHop(greeting=STALL) as hop:
        with pytest.raises(HopUnreachable):
            await opened(connections, hop)

        async def forbidden(_choice: TlsChoice, host: Hop, _policy: TlsPolicy) -> TlsDemand:
            raise HopFailed(host, "its TLSA records forbid it", is_unasked=True)

        monkeypatch.setattr(TlsChoice, "of", forbidden)
        await clock.advance(PROBE_S_MAX)
        with pytest.raises(HopUnreachable):
            await opened(connections, hop, is_probe=True)

        assert hop.sessions == 1
        assert (hop.host, hop.port) in connections.silent
        assert told == []


async def test_a_session_that_was_opened_in_haste_is_not_hurried_afterwards(
    connections: Connections,
) -> None:
    async with NextHop() as hop:
        session = await opened(connections, hop, is_probe=True, within_s=2)

        assert session.deadlines.reply_s == 300
        await session.quit()


def test_only_one_asks_a_silent_host_at_a_time() -> None:
    hosts = SilentHosts()
    hosts.fell_silent(HOST, asked_s=0.0, next_s=45.0)
    assert not hosts.may_be_asked(HOST, now_s=44.0)
    assert hosts.may_be_asked(HOST, now_s=45.0)

    hosts.asking(HOST)
    assert not hosts.may_be_asked(HOST, now_s=45.0)
    hosts.passed_over(HOST, A, now_s=45.0)
    assert hosts.due(46.0) is None, "what comes of it holds for all"
    hosts.asked(HOST)
    assert hosts.may_be_asked(HOST, now_s=45.0)


def test_a_host_that_a_probe_has_asked_since_is_due_later() -> None:
    hosts = SilentHosts()
    hosts.fell_silent(HOST, asked_s=0.0, next_s=45.0)
    hosts.passed_over(HOST, A, now_s=1.0)
    hosts.fell_silent(HOST, asked_s=40.0, next_s=85.0)
    hosts.passed_over(HOST, A, now_s=41.0)

    assert hosts.due(45.0) is None
    assert hosts.due(85.0) == HOST


def test_no_more_hosts_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silent_hosts_module, "SILENT_MAX", 2)
    monkeypatch.setattr(silent_hosts_module, "WAITING_MAX", 1)
    hosts = SilentHosts()
    for port in (1, 2, 3):
        hosts.fell_silent(("192.0.2.1", port), asked_s=0.0, next_s=45.0)

    assert len(hosts) == 2
    assert ("192.0.2.1", 1) not in hosts
    for destination in (A, B):
        hosts.waits(("192.0.2.1", 3), destination)
    assert list(hosts.answered(("192.0.2.1", 3))) == [A]
