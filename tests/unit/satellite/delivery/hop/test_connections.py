"""Hosts are tried in order, kept sessions go on, and TLS that fails is not the end of mail."""

from __future__ import annotations

from typing import Any

import pytest

from common.preferences.deliver_to import Target
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.outcome import Ending
from satellite.delivery.decisions.routing import Destination, Exchange, Own, Via
from satellite.delivery.hop.connections import LIFETIME_S, Connections
from satellite.delivery.hop.host_order import FAILED_S, HopUnreachable
from satellite.delivery.hop.kept_sessions import IDLE_S
from satellite.delivery.hop.protection import Protection
from satellite.delivery.hop.session import Deadlines, HopSession
from satellite.delivery.hop.tls_choice import TlsChoice
from satellite.names.answer import Lookup, LookupResult
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import TableResolver
from tests.support.smtp.next_hop import NextHop

A = Destination(Via.ROUTE, "acme.example")
STARTTLS_OFFERED = b"250-hop\r\n250 STARTTLS\r\n"


def made(clock: FakeClock, resolver: TableResolver, **more: Any) -> Connections:
    return Connections(
        hostname="lon1.example",
        own=Own(mail_domain="mx.scout.example", hostname="lon1.example"),
        deadlines=Deadlines(connect_s=5, reply_s=5, dot_s=5),
        idle_max=2,
        tls=TlsChoice(Protection()),
        resolver=resolver,
        clock=clock,
        spread=lambda: 0.0,
        greets_again=lambda _destination: None,
        **more,
    )


@pytest.fixture
def connections(clock: FakeClock, resolver: TableResolver) -> Connections:
    return made(clock, resolver)


async def opened(
    connections: Connections, *hops: NextHop, destination: Destination = A
) -> HopSession:
    return await connections.open(
        destination,
        [Target(hop.host, hop.port) for hop in hops],
        policy=TlsPolicy.OPPORTUNISTIC,
        asked_before=False,
        is_probe=False,
        within_s=5.0,
    )


async def test_a_host_that_failed_is_tried_last_for_a_while(
    connections: Connections, clock: FakeClock
) -> None:
    async with NextHop(greeting=b"421 no\r\n") as bad, NextHop() as good:
        for _ in range(3):
            session = await opened(connections, bad, good)
            await session.quit()
        assert (bad.sessions, good.sessions) == (1, 3)

        await clock.advance(FAILED_S + 1)
        await (await opened(connections, bad, good)).quit()
        assert bad.sessions == 2


async def test_whoever_measures_hears_which_target_was_reached_and_of_its_connect(
    clock: FakeClock, resolver: TableResolver
) -> None:
    heard: list[tuple[Target, float]] = []
    connections = made(clock, resolver, reached=lambda target, s: heard.append((target, s)))
    async with NextHop(greeting=b"421 no\r\n") as bad, NextHop() as good:
        await (await opened(connections, bad, good)).quit()

    ((target, connect_s),) = heard
    assert target == Target(good.host, good.port)
    assert 0.0 < connect_s < 5.0


async def test_a_kept_session_is_used_again_until_it_is_old(
    connections: Connections, clock: FakeClock
) -> None:
    async with NextHop() as hop:
        session = await opened(connections, hop)
        connections.give_back(A, session)
        assert connections.kept(A, (), policy=TlsPolicy.OPPORTUNISTIC) is session
        assert connections.kept(A, (), policy=TlsPolicy.OPPORTUNISTIC) is None

        await clock.advance(LIFETIME_S)
        connections.give_back(A, session)
        assert connections.kept(A, (), policy=TlsPolicy.OPPORTUNISTIC) is None
        assert not session.is_usable


async def test_a_kept_session_that_said_something_is_not_used_again(
    connections: Connections,
) -> None:
    async with NextHop() as hop:
        session = await opened(connections, hop)
        connections.give_back(A, session)
        session.wire.data_received(b"421 4.4.2 Idle\r\n")

        assert connections.kept(A, (), policy=TlsPolicy.OPPORTUNISTIC) is None


async def test_no_more_sessions_are_kept_than_allowed(connections: Connections) -> None:
    async with NextHop() as hop:
        sessions = [await opened(connections, hop) for _ in range(3)]
        for session in sessions:
            connections.give_back(A, session)

        assert [session.is_usable for session in sessions] == [True, True, False]
        await hop.until(lambda: hop.verbs.count("QUIT") == 1)  # not cut
        for session in connections.close():
            await session.quit()


async def test_idle_sessions_are_overdue(connections: Connections, clock: FakeClock) -> None:
    async with NextHop() as hop:
        session = await opened(connections, hop)
        connections.give_back(A, session)
        assert connections.overdue() == []
        assert connections.next_overdue_s() == clock.monotonic_s() + IDLE_S

        await clock.advance(IDLE_S)
        assert connections.overdue() == [session]
        assert connections.next_overdue_s() is None
        await session.quit()


async def test_the_sessions_that_are_overdue_are_those_that_are_idle_for_longest(
    connections: Connections, clock: FakeClock
) -> None:
    b = Destination(Via.ROUTE, "b.example")
    async with NextHop() as hop:
        first, second = [await opened(connections, hop, destination=d) for d in (A, b)]
        for destination, session in ((A, first), (b, second)):
            connections.give_back(destination, session)
            await clock.advance(1)
        connections.give_back(A, connections.kept(A, (), policy=TlsPolicy.OPPORTUNISTIC) or second)
        await clock.advance(IDLE_S - 1)

        assert connections.overdue() == [second]
        assert not connections.is_in_use(b)
        assert connections.is_in_use(A)
        assert connections.close() == [first]
        assert not connections.is_in_use(A)
        for session in (first, second):
            await session.quit()


async def test_after_failed_tls_mail_goes_in_the_clear_on_a_new_connection(
    connections: Connections,
) -> None:
    async with NextHop(EHLO=STARTTLS_OFFERED, STARTTLS=b"454 4.7.0 not now\r\n") as hop:
        session = await opened(connections, hop)

        assert hop.sessions == 2
        assert session.tls == ""
        assert "STARTTLS" in session.tls_problem
        await session.quit()


async def test_a_destination_without_hosts_that_answer_is_away(connections: Connections) -> None:
    async with NextHop(greeting=b"554 no\r\n") as hop:
        with pytest.raises(HopUnreachable) as failure:
            await opened(connections, hop)

    assert failure.value.is_away
    assert failure.value.answer.ending is Ending.LATER
    assert "554 no" in failure.value.answer.finding
    assert not connections.is_in_use(A)


async def test_a_host_whose_name_is_unknown_is_away_and_never_bounced(
    connections: Connections,
) -> None:
    with pytest.raises(HopUnreachable) as failure:
        await connections.open(
            A,
            [Target("gone.acme.example", 25)],
            policy=TlsPolicy.OPPORTUNISTIC,
            asked_before=True,
            is_probe=False,
            within_s=5.0,
        )

    assert failure.value.is_away
    assert failure.value.answer.ending is Ending.LATER


async def test_a_host_whose_lookup_failed_is_not_away(
    connections: Connections, resolver: TableResolver
) -> None:
    resolver.hosts["mail.acme.example"] = Lookup(LookupResult.FAILED)

    with pytest.raises(HopUnreachable) as failure:
        await connections.open(
            A,
            [Target("gone.acme.example", 25), Target("mail.acme.example", 25)],
            policy=TlsPolicy.OPPORTUNISTIC,
            asked_before=True,
            is_probe=False,
            within_s=5.0,
        )

    assert not failure.value.is_away
    assert failure.value.answer.ending is Ending.LATER
    assert failure.value.answer.status == "4.4.3"


@pytest.mark.parametrize(
    ("addresses", "asked_before", "ending"),
    [
        (Lookup(LookupResult.RECORDS, ("127.0.0.1",)), False, Ending.FAILED),
        (Lookup(LookupResult.FAILED), True, Ending.LATER),
        (Lookup(LookupResult.NO_NAME), False, Ending.LATER),
        (Lookup(LookupResult.NO_NAME), True, Ending.FAILED),
    ],
)
async def test_an_mx_that_leads_nowhere(
    connections: Connections,
    resolver: TableResolver,
    addresses: Lookup[str],
    asked_before: bool,
    ending: Ending,
) -> None:
    resolver.mx["sender.example"] = Lookup(
        LookupResult.RECORDS, (Exchange(1, "mx.sender.example"),)
    )
    resolver.hosts["mx.sender.example"] = addresses
    destination = Destination(Via.MX, "sender.example")

    with pytest.raises(HopUnreachable) as failure:
        await connections.open(
            destination,
            (),
            policy=TlsPolicy.OPPORTUNISTIC,
            asked_before=asked_before,
            is_probe=False,
            within_s=5.0,
        )

    assert failure.value.answer.ending is ending
    assert not failure.value.is_away


async def test_ipv6_is_tried_first_and_ipv4_takes_over(
    connections: Connections, resolver: TableResolver
) -> None:
    async with NextHop(host="::1") as wide:
        async with NextHop(port=wide.port) as narrow:
            # The resolver gives addresses of both kinds, IPv6 first.
            resolver.hosts["mail.acme.example"] = Lookup(LookupResult.RECORDS, ("::1", "127.0.0.1"))
            target = Target("mail.acme.example", wide.port)
            for _ in range(2):
                session = await connections.open(
                    A,
                    [target],
                    policy=TlsPolicy.OPPORTUNISTIC,
                    asked_before=False,
                    is_probe=False,
                    within_s=5.0,
                )
                await session.quit()
                await wide.stop()
        assert (wide.sessions, narrow.sessions) == (1, 1)


async def test_an_ipv6_address_in_a_route_is_a_host(connections: Connections) -> None:
    async with NextHop(host="::1") as hop:
        session = await opened(connections, hop)
        assert str(session.hop) == f"[::1]:{hop.port}"
        await session.quit()
