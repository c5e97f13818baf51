"""Seven days in seconds: a customer returns on the third with all that was held for it, another
never does. A real spool, the fake clock, and next hops without sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from email import message_from_bytes
from itertools import pairwise

import pytest
from flufl.bounce import all_failures

from common.envelope import DsnParameters, Notify
from common.preferences import Document
from common.preferences.documents import canonical_json
from common.states import State
from satellite.delivery.decisions.hold import PROBE_S_MAX
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, route
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.tireless_hop import TirelessHop
from tests.support.spool.held_mail import fill, number_of

HOUR_S = 3_600.0
DAY_S = 86_400.0
ACME, GLOBEX = "x@acme.example", "y@globex.example"
QUICK, WHOLE = 500, 100_000  # messages held for the one that returns
DRAIN_S_MAX = 600.0  # of real time, for a hundred thousand on a machine that does more than this


def notices_after(hours: float) -> Document:
    return Document("policy", "cluster", 1, canonical_json({"notice_hours": hours}))


async def in_time(room: DeliveryRoom, claim: Callable[[], bool]) -> None:
    """Return once a claim holds; what it waits for is real commits, not the clock."""
    async with asyncio.timeout(DRAIN_S_MAX):
        while not claim():
            await asyncio.sleep(0.01)
    await room.clock.settle()


def held(room: DeliveryRoom) -> int:
    return room.spool.counts()[State.HELD]


def failures_in(dsn: bytes) -> tuple[set[bytes], set[bytes]]:
    """Return what another library reads in a DSN: who failed for now, and who for good."""
    temporary, final = all_failures(message_from_bytes(dsn))
    return set(temporary), set(final)


def dsns(hop: TirelessHop, action: str) -> list[bytes]:
    return [copy for copy in hop.taken if f"\r\nAction: {action}\r\n".encode() in copy]


@pytest.mark.slow
@pytest.mark.scenario(row=61, checks="held mail is restored, probed once, and drained in order")
async def test_seven_days_of_hold(
    open_room: OpenRoom, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, thorough: bool
) -> None:
    count = WHOLE if thorough else QUICK
    policy = notices_after(4)
    room = await open_room(route("acme.example", "a:25"), route("globex.example", "g:25"), policy)
    hop = TirelessHop(clock)
    hop.away = {"acme.example", "globex.example"}
    started_s = clock.monotonic_s()
    await fill(room.spool, clock, ACME, count=count, sender="")
    await fill(room.spool, clock, GLOBEX, count=1, first=count)
    never = DsnParameters(notify=frozenset({Notify.FAILURE}))
    await fill(room.spool, clock, GLOBEX, count=1, first=count + 1, dsn=never)

    # A restart finds all of it, and asks each server once.
    room = await open_room(randomness=random.Random(7).randbytes)  # with jitter
    hop.replace_connections(room.delivery, monkeypatch)
    await in_time(room, lambda: not room.delivery._placing.has_more)
    assert {name: len(asked) for name, asked in hop.asked_s.items()} == {
        "acme.example": 1,
        "globex.example": 1,
    }
    assert [(h.destination, h.messages) for h in room.delivery.holds()] == [
        ("acme.example", count),
        ("globex.example", 2),
    ]

    # After four hours one sender is told of the delay; the other wants to hear of failure only.
    await clock.advance(4 * HOUR_S - 60)
    assert not room.events("bounce_made")
    await clock.advance(120)
    await in_time(room, lambda: len(dsns(hop, "delayed")) == 1)
    (delay,) = dsns(hop, "delayed")
    (told,) = read_status(delay).recipients
    assert told["Final-Recipient"] == f"rfc822; {GLOBEX}"
    assert told["Status"] == "4.4.1"
    assert "Will-Retry-Until" in told
    assert failures_in(delay) == ({GLOBEX.encode()}, set())

    # On the third day the one returns: what is held drains at once, the oldest first.
    await clock.advance(started_s + 3 * DAY_S - clock.monotonic_s())
    assert held(room) == count + 2
    hop.away.discard("acme.example")
    returned_s = clock.monotonic_s()
    taken_before, probes = len(hop.taken), len(hop.asked_s["acme.example"])
    await clock.advance(PROBE_S_MAX)
    await in_time(room, lambda: held(room) == 2)
    assert hop.asked_s["acme.example"][probes] - returned_s <= PROBE_S_MAX
    assert [number_of(copy) for copy in hop.taken[taken_before:]] == list(range(count))
    assert [hold.destination for hold in room.delivery.holds()] == ["globex.example"]
    # Ten, and five past which others may go: the clock runs while a commit is under way, so that a
    # transaction may take long.
    assert 1 < hop.most_at_once <= 15
    await in_time(
        room, lambda: [mark.destination for mark in room.spool.holds()] == ["globex.example"]
    )

    # The other never does: not a day too early its senders are told that it failed.
    await clock.advance(started_s + 7 * DAY_S - 60 - clock.monotonic_s())
    assert held(room) == 2
    assert len(dsns(hop, "delayed")) == 1
    await clock.advance(120)
    await in_time(room, lambda: len(dsns(hop, "failed")) == 2)
    for failure in dsns(hop, "failed"):
        (ended,) = read_status(failure).recipients
        assert ended["Status"] == "4.4.7"
        assert failures_in(failure) == (set(), {GLOBEX.encode()})
    await in_time(room, lambda: not room.spool.unfinished(limit=1))
    assert room.delivery.holds() == []

    for asked in hop.asked_s["acme.example"][: probes + 1], hop.asked_s["globex.example"]:
        waits = [later - earlier for earlier, later in pairwise(asked)]
        assert max(waits) <= PROBE_S_MAX
        assert min(waits) >= 33.6  # jitter shortens
        assert len(set(waits)) > 100
