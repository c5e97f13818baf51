"""A message to very many destinations costs by their number, not by the square of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from common.ids import MessageId
from common.states import State
from satellite.delivery import worker
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.placing import Placing
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.lanes import Lanes
from satellite.spool.disk import rows
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, route
from tests.support.smtp.next_hop import NextHop

MANY = 100
TRIES = 3
READS_MAX = 8  # of one recipient, in one try
KEPT_MAX = 8  # entries of a message in one lane, stale ones too
ACME = Destination(Via.ROUTE, "acme.example")


@pytest.fixture
def recipients_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return what grows by one whenever a recipient is read from the spool."""
    counted = [0]
    real: Any = rows._recipient

    def counting(row: Any) -> Any:
        counted[0] += 1
        return real(row)

    monkeypatch.setattr(rows, "_recipient", counting)
    return counted


async def deliver(open_room: OpenRoom, hop: NextHop) -> DeliveryRoom:
    names = [f"customer-{number}.example" for number in range(MANY)]
    room = await open_room(*(route(name, f"{hop.host}:{hop.port}") for name in names))
    await room.accept(*(f"x@{name}" for name in names))
    return room


async def told(room: DeliveryRoom, event: str, count: int) -> None:
    """Return once there are so many records of an event at least, and no turn is under way."""
    await room.until(lambda: len(room.events(event)) >= count)
    await room.soon(room.delivery.is_idle)


def kept(room: DeliveryRoom) -> int:
    """Return how many entries the lanes keep, those that count and those that do not any more."""
    lanes = room.delivery._lanes
    found = [len(lane._waiting) + len(lane._all._heap) for lane in lanes._lanes.values()]
    return sum(found) + len(lanes._alarms)


async def test_what_is_deferred_everywhere_is_read_and_kept_once_for_each(
    open_room: OpenRoom, recipients_read: list[int]
) -> None:
    async with NextHop(RCPT=b"451 4.2.0 Busy\r\n") as hop:
        room = await deliver(open_room, hop)
        await told(room, "attempted", MANY)
        for tries in range(2, TRIES + 1):
            await room.clock.advance(300)  # longer than any of these waits
            await told(room, "attempted", tries * MANY)

    attempts = len(room.events("attempted"))  # some may have had one more meanwhile
    assert recipients_read[0] <= READS_MAX * attempts
    assert room.spool.counts()[State.DEFERRED] == MANY
    assert kept(room) <= KEPT_MAX * MANY


async def test_what_is_delivered_everywhere_is_read_once_for_each_and_then_gone(
    open_room: OpenRoom, recipients_read: list[int]
) -> None:
    async with NextHop() as hop:
        room = await deliver(open_room, hop)
        await told(room, "ended", MANY)

    assert len(hop.taken) == MANY
    assert recipients_read[0] <= READS_MAX * MANY
    assert room.unfinished() == []


def test_an_entry_that_is_put_off_again_and_again_is_kept_once() -> None:
    lanes = Lanes(most=1, terms=lambda _destination: Terms())

    for number in range(10_000):
        entry = QueueEntry(
            id=MessageId("m"), destination=ACME, body_bytes=1, born_s=0.0, until_us=0
        )
        lanes.put(entry, due_s=1e6 - number, now_s=0.0)
        assert lanes.take(now_s=0.0) is None

    (lane,) = lanes._lanes.values()
    assert len(lane._waiting) + len(lane._all._heap) + len(lanes._alarms) < 500


async def test_a_pass_that_has_taken_its_time_begins_no_more_turns(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []  # turns so far, at the end of each pass
    started = [0]
    real_take, real_end = Lanes.take, Placing.end_pass

    def taking(lanes: Lanes, **where: Any) -> QueueEntry | None:
        entry = real_take(lanes, **where)
        started[0] += entry is not None
        return entry

    def ending(placing: Placing) -> None:
        begun.append(started[0])
        real_end(placing)

    monkeypatch.setattr(worker, "PASS_S", 0.0)
    monkeypatch.setattr(Lanes, "take", taking)
    monkeypatch.setattr(Placing, "end_pass", ending)
    async with NextHop() as hop:
        room = await deliver(open_room, hop)
        await told(room, "ended", MANY)

    assert max(after - before for before, after in pairwise(begun)) == 1
    assert len(hop.taken) == MANY
