"""A wall clock that was wrong for a while strands no mail, whichever way it was wrong."""

from __future__ import annotations

import pytest

from common.states import State
from satellite.delivery.decisions.hold import PROBE_S_MAX
from satellite.delivery.decisions.schedule import Schedule
from satellite.spool.model.messages import Settled
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import OpenRoom, route
from tests.support.smtp.next_hop import NextHop

DAY_S = 86_400.0
LONGEST_S = Schedule(first_wait_s=60.0, longest_wait_s=3_600.0).planned_s_max
X, Y = "x@acme.example", "y@acme.example"
BUSY = b"451 4.2.0 Busy\r\n"


@pytest.mark.parametrize("days", [8.0, -8.0, 3650.0])
async def test_what_was_deferred_under_a_wrong_clock_is_tried_within_the_longest_wait(
    open_room: OpenRoom, clock: FakeClock, days: float
) -> None:
    async with NextHop(RCPT=BUSY) as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        clock.jump(days * DAY_S)
        message = await room.accept(X)
        await room.until_state(message, State.DEFERRED)

        clock.jump(-days * DAY_S)
        room = await open_room()
        hop.script["RCPT"] = b"250 Ok\r\n"
        await room.soon(lambda: not room.delivery._placing.has_more)
        await clock.advance(LONGEST_S)

        await room.until_ended(message)
    assert len([one for one in hop.taken if one.recipients]) == 1


async def test_who_was_put_off_beyond_the_schedule_takes_part_in_the_others_turns(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    tried: list[str] = []

    def answer(line: str) -> bytes:
        tried.append(line)
        return BUSY

    async with NextHop(RCPT=answer) as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await room.accept(X, Y, sending=False, offer=False)
        soon_us = clock.now_us() + 60_000_000
        for number, next_us in ((0, soon_us + int(8 * DAY_S * 1e6)), (1, soon_us)):
            await room.spool.settle(
                message,
                [Settled(number=number, state=State.DEFERRED, reason="busy", next_us=next_us)],
            )

        room = await open_room()
        await room.soon(lambda: not room.delivery._placing.has_more)
        await clock.advance(61)
        await room.until(lambda: len(room.events("attempted")) == 1)

    assert {X in "".join(tried), Y in "".join(tried)} == {True}


async def test_mail_that_was_held_under_a_wrong_clock_is_probed_and_its_hold_began_by_now(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        clock.jump(8 * DAY_S)
        message = await room.accept(X)
        await room.until_state(message, State.HELD)
        await room.soon(room.spool.holds)

        clock.jump(-8 * DAY_S)
        room = await open_room()
        await room.soon(room.delivery.holds)
        assert room.delivery.holds()[0].since_us <= clock.now_us()
        hop.script["greeting"] = b"220 back\r\n"
        await clock.advance(PROBE_S_MAX + 1)

        await room.until_ended(message)
