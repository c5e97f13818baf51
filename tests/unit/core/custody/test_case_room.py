"""One node's quarantined mail takes no room that others need, and what waits is not lost (P9)."""

from __future__ import annotations

import pytest

from common.link import Taken, Wanted
from core.custody.arrivals import Arrivals
from core.custody.custody import Custody
from core.link.quarantine import IncomingBodies
from core.quarantine.cases import QuarantineFull
from core.store.case_room import ASK_S
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rooms import identity, made_id, told_case

LON, FRA = identity("lon1"), identity("fra1")
BODY = b"x" * 1_000
A, B, C = (made_id(number) for number in (1, 2, 3))


async def taken(arrivals: Arrivals, message_id: str) -> None:
    await arrivals.open_case(LON, told_case(message_id, BODY))
    await arrivals.append(LON, message_id, 0, BODY)
    assert await arrivals.complete(LON, message_id) == Taken(message_id)


@pytest.mark.parametrize("begins_anew", [False, True])
async def test_beyond_its_room_a_nodes_mail_waits_and_another_nodes_does_not(
    arrivals: Arrivals, store: Database, fake_clock: FakeClock, begins_anew: bool
) -> None:
    room = store.cases.room
    room.bytes_max = 2_500
    await taken(arrivals, A)
    await arrivals.open_case(LON, told_case(B, BODY))
    if begins_anew:
        await fake_clock.advance(ASK_S)

    with pytest.raises(QuarantineFull, match="2000 octets of it, and 2500 of one node"):
        await arrivals.open_case(LON, told_case(C, BODY))

    assert room.used == {"lon1": 2_000}
    assert await arrivals.open_case(FRA, told_case(made_id(4), BODY)) == Wanted(made_id(4), 0)
    assert await arrivals.open_case(LON, told_case(A, BODY)) == Taken(A)
    assert await arrivals.open_case(LON, told_case(B, BODY)) == Wanted(B, 0)


async def test_what_was_opened_small_grows_no_larger_than_the_room(
    arrivals: Arrivals, store: Database
) -> None:
    store.cases.room.bytes_max = 1_500
    await arrivals.open_case(LON, told_case(A, BODY))

    with pytest.raises(QuarantineFull):
        await arrivals.open_case(LON, told_case(A, BODY + BODY))


async def test_what_is_deleted_makes_room(
    arrivals: Arrivals, custody: Custody, store: Database
) -> None:
    store.cases.room.bytes_max = 1_000
    await taken(arrivals, A)

    await custody.delete(A, who="test")

    await taken(arrivals, B)
    assert store.cases.room.used == {"lon1": 1_000}


async def test_a_body_that_is_under_way_arrives_while_the_next_waits(
    arrivals: Arrivals, store: Database
) -> None:
    store.cases.room.bytes_max = 1_500
    bodies = IncomingBodies(LON, arrivals)

    assert await bodies.open(told_case(A, BODY)) == [Wanted(A, 0)]
    assert await bodies.open(told_case(B, BODY)) == []

    assert bodies.full is not None
    assert bodies.is_busy
    await arrivals.append(LON, A, 0, BODY)
    assert await arrivals.complete(LON, A) == Taken(A)
