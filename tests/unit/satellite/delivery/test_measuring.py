"""Customers' servers are greeted and left, each in its time, and nobody else is asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from common.preferences import Preferences
from common.round_trips import TARGETS_MAX, RoundTrip
from satellite.delivery import measuring
from satellite.delivery.decisions.routing import Own
from satellite.delivery.hop.hop_finding import HopFinder
from satellite.delivery.measuring import Measuring, targets_of_routes
from satellite.names.answer import Lookup, LookupResult
from tests.support.clock import FakeClock
from tests.support.core.rooms import route
from tests.support.delivery.delivery_room import TableResolver, preferences
from tests.support.network.ports import free_port
from tests.support.network.silent_host import SilentHost
from tests.support.smtp.next_hop import NextHop
from tests.support.waiting import until

OWN = Own(
    mail_domain="mx.scout.example",
    hostname="lon1.example",
    listeners=frozenset({("127.0.0.1", 2525)}),
    smarthost="smart.example:25",
)
EVERY_S = 600.0


Opened = Callable[[Preferences], AbstractAsyncContextManager[Measuring]]


@pytest.fixture
def opened(clock: FakeClock, resolver: TableResolver) -> Opened:
    @asynccontextmanager
    async def measured(of: Preferences, *, every_s: float = EVERY_S) -> AsyncIterator[Measuring]:
        finder = HopFinder(resolver, strangers=resolver, own=OWN, spread=lambda: 0.0)
        made = Measuring(finder, clock, preferences=lambda: of, every_s=every_s, spread=lambda: 0.0)
        running = asyncio.create_task(made.run())
        try:
            await until(lambda: asyncio.sleep(0, clock.sleepers), "it waits for what is due")
            yield made
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return measured


def routes(*deliver_to: Sequence[str]) -> Preferences:
    return preferences(
        *(route(f"d{number}.example", deliver_to=list(to)) for number, to in enumerate(deliver_to))
    )


async def told(made: Measuring, count: int) -> dict[str, RoundTrip]:
    found: dict[str, RoundTrip] = {}

    async def all_there() -> bool:
        found.update((one.target, one) for one in made.untold())
        return len(found) >= count

    await until(all_there, f"{count} targets are measured")
    return found


async def test_a_target_of_many_domains_is_greeted_once(opened: Opened, clock: FakeClock) -> None:
    async with NextHop() as hop:
        at = f"127.0.0.1:{hop.port}"
        async with opened(routes([at], [at], [at])) as made:
            await clock.advance(EVERY_S)
            found = await told(made, 1)
            await hop.until(lambda: hop.verbs == ["QUIT"])

    assert hop.sessions == 1
    assert (found[at].tries, found[at].failures) == (1, 0)
    assert 0 < (found[at].rtt_us or 0) < 1_000_000


async def test_who_refuses_who_greets_badly_and_who_is_silent_has_failed(
    opened: Opened, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "TRY_S", 0.5)
    closed = f"127.0.0.1:{free_port()}"
    async with NextHop(greeting=b"554 no\r\n") as bad, SilentHost() as silent, NextHop() as good:
        ports = {"bad": bad.port, "silent": silent.port, "good": good.port}
        at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        async with opened(routes(*([one] for one in (*at.values(), closed)))) as made:
            await clock.advance(EVERY_S)
            found = await told(made, 4)

    failed = {target for target, one in found.items() if one.failures == one.tries == 1}
    assert failed == {at["bad"], at["silent"], closed}
    assert all(found[target].rtt_us is None for target in failed)
    assert found[at["good"]].failures == 0


async def test_silent_servers_hold_up_no_other(
    opened: Opened, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "PLACES", {False: 2, True: 1})
    monkeypatch.setattr(measuring, "TRY_S", 0.2)
    silent = [SilentHost() for _ in range(6)]
    async with NextHop() as hop:
        for host in silent:
            await host.__aenter__()
        try:
            at = [f"127.0.0.1:{host.port}" for host in silent]
            good = f"127.0.0.1:{hop.port}"
            async with opened(routes(*([one] for one in (*at, good)))) as made:
                found: dict[str, RoundTrip] = {}

                async def once() -> bool:
                    await clock.advance(1.0)
                    found.update((one.target, one) for one in made.untold())
                    return len(found) == 7

                await until(once, "each was tried once")
                monkeypatch.setattr(measuring, "TRY_S", 30.0)  # now nobody gives up
                await clock.advance(EVERY_S)

                again = await told(made, 1)
        finally:
            for host in silent:
                await host.__aexit__(None, None, None)

    assert list(again) == [good]  # all that were silent wait for the one place of their own
    assert again[good].tries == 2


async def test_the_second_address_of_a_target_counts_when_the_first_refuses(
    opened: Opened, clock: FakeClock, resolver: TableResolver
) -> None:
    async with NextHop(host="127.0.0.1") as hop:
        resolver.hosts["m.example"] = Lookup(LookupResult.RECORDS, ("127.0.0.9", "127.0.0.1"))
        async with opened(routes([f"m.example:{hop.port}"])) as made:
            await clock.advance(EVERY_S)
            (found,) = (await told(made, 1)).values()

    assert (found.tries, found.failures) == (1, 0)


async def test_a_name_without_an_address_has_failed_and_dns_that_fails_says_nothing(
    opened: Opened, clock: FakeClock, resolver: TableResolver
) -> None:
    resolver.hosts["dark.example"] = Lookup(LookupResult.FAILED)
    async with opened(routes(["gone.example:25"], ["dark.example:25"])) as made:
        await clock.advance(EVERY_S)
        found = await told(made, 1)
        await clock.settle()

    assert [*found] == ["gone.example:25"]
    assert made.untold() == ()


async def test_nothing_is_measured_when_it_is_switched_off(
    clock: FakeClock, resolver: TableResolver
) -> None:
    finder = HopFinder(resolver, strangers=resolver, own=OWN, spread=lambda: 0.0)
    made = Measuring(
        finder, clock, preferences=lambda: routes(["m.example"]), every_s=0, spread=lambda: 0.0
    )

    await made.run()

    assert made.untold() == ()


def test_only_routes_have_targets_each_written_one_way_and_the_most_wanted_first() -> None:
    found = targets_of_routes(
        routes(["b.example", "lmtp:c.example:24"], ["B.example:25"], ["a.example/mx"])
    )

    assert found == ["b.example:25", "a.example:25/mx", "lmtp:c.example:24"]


def test_there_are_no_more_targets_than_one_node_measures() -> None:
    many = [[f"m{number}.example"] for number in range(TARGETS_MAX + 5)]

    assert len(targets_of_routes(routes(*many))) == TARGETS_MAX
