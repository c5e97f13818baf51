"""Fresh mail comes into its lanes whatever else waits to be placed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.states import State
from satellite.delivery.decisions.route_cache import RouteCache
from satellite.delivery.decisions.routing import Own
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.placing import PLACED_MAX, Placing
from satellite.delivery.queue.lanes import Lanes
from satellite.delivery.queue.promises import Promises
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.held_mail import fill

ACME, GLOBEX = "x@acme.example", "y@globex.example"


@pytest.fixture
async def spool(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Spool]:
    opened = await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)
    yield opened
    await opened.close()


@pytest.fixture
def lanes() -> Lanes:
    return Lanes(most=10, terms=lambda _destination: Terms())


@pytest.fixture
def placing(spool: Spool, lanes: Lanes, clock: FakeClock) -> Placing:
    own = Own(mail_domain="mx.scout.example", hostname="lon1.mx.scout.example")
    return Placing(
        spool,
        lanes,
        clock,
        routes=RouteCache(own),
        promises=Promises(),
        longest_wait_s=3600.0,
    )


def first_of(lanes: Lanes, domain: str, within: int) -> bool:
    found = [lanes.take(now_s=1000.0) for _ in range(within)]
    return any(one is not None and one.destination.name == domain for one in found)


async def test_a_flood_of_offers_keeps_nobody_from_the_first_turn(
    spool: Spool, lanes: Lanes, placing: Placing, clock: FakeClock
) -> None:
    while placing.has_more:
        placing.place()  # what was there before the start: nothing
    flood = await fill(spool, clock, ACME, count=3 * PLACED_MAX, state=State.QUEUED)
    (other,) = await fill(spool, clock, GLOBEX, count=1, first=9999, state=State.QUEUED)

    for message in flood:
        placing.offer(message)
    placing.offer(other)
    placing.place()

    assert len(lanes) == PLACED_MAX
    assert first_of(lanes, "globex.example", within=2)


async def test_the_first_of_a_flood_are_not_forgotten_for_the_latest(
    spool: Spool, lanes: Lanes, placing: Placing, clock: FakeClock
) -> None:
    flood = await fill(spool, clock, ACME, count=3 * PLACED_MAX, state=State.QUEUED)
    for message in flood:
        placing.offer(message)

    placing.place()

    entry = lanes.take(now_s=1000.0)
    assert entry is not None
    assert entry.id == flood[0]


async def test_a_backlog_is_restored_between_fresh_mail(
    spool: Spool, lanes: Lanes, placing: Placing, clock: FakeClock
) -> None:
    await fill(spool, clock, ACME, count=5000, sender="")
    (fresh,) = await fill(spool, clock, GLOBEX, count=1, first=9999, state=State.QUEUED)
    placing.offer(fresh)

    placing.place()

    assert placing.has_more
    assert first_of(lanes, "globex.example", within=2)
    while placing.has_more:
        placing.place()
    assert [(held.destination.name, held.messages) for held in lanes.on_hold.first()] == [
        ("acme.example", 5000)
    ]
