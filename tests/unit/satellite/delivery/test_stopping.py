"""What an operator has stopped or sent back never leaves as well, however slow its server is."""

from __future__ import annotations

from typing import cast

from common.ids import MessageId
from common.states import State
from satellite.console.inspection import InspectedShard, Inspection
from satellite.console.questions import FreezeQuestion, ResumeQuestion
from satellite.spool.model.messages import Origin
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, route
from tests.support.smtp.next_hop import NextHop, Say

ACME = "x@acme.example"
SLOW = Say(b"220 at last\r\n", "wait")
MOST = 10  # connections to one destination, by default


def looking_at(room: DeliveryRoom) -> Inspection:
    return Inspection(cast(InspectedShard, room))


async def judged_together(room: DeliveryRoom, count: int) -> list[MessageId]:
    """Judge messages as the stage does: all are asked about before the first is offered."""
    taken = [await room.take(ACME) for _ in range(count)]
    marked = {one: room.delivery.starts_at_once(one, ACME) for one in taken}
    for one in taken:
        await room.judge(one, sending=marked[one])
    return taken


async def test_what_goes_back_while_its_server_is_slow_to_greet_is_not_delivered_as_well(
    open_room: OpenRoom,
) -> None:
    async with NextHop(greeting=SLOW) as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await room.accept(ACME, sending=False)
        await hop.until(lambda: hop.sessions == 1)

        assert await room.delivery.freeze(message, [0], reason="an operator")
        assert await room.delivery.give_back(message) is not None
        hop.go_on()
        await room.soon(lambda: not room.delivery._turns or hop.taken)

    assert hop.taken == []
    assert [one.origin for one in room.unfinished()] == [Origin.BOUNCE]


async def test_a_recipient_that_was_sent_back_stops_the_copy_and_the_others_go_on(
    open_room: OpenRoom,
) -> None:
    async with NextHop(greeting=SLOW) as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        message = await room.accept(ACME, "y@acme.example", sending=False)
        await hop.until(lambda: hop.sessions == 1)

        await room.delivery.freeze(message, [0], reason="an operator")
        await room.delivery.give_back(message)
        hop.go_on()
        await room.until_ended(message)

    assert [one.recipients for one in hop.taken] == [("y@acme.example",)]


async def test_no_more_marks_are_given_than_there_are_turns(open_room: OpenRoom) -> None:
    async with NextHop(greeting=SLOW) as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))

        sent = await judged_together(room, 60)

        states = [room.states(one)[0] for one in sent]
        assert states.count(State.SENDING) == MOST
        hop.go_on()
        await room.until(lambda: not room.unfinished())
    assert len(hop.taken) == 60


async def test_an_offer_that_is_not_placed_yet_takes_no_more_than_its_own_turn(
    open_room: OpenRoom,
) -> None:
    room = await open_room(route("acme.example", "192.0.2.1:25"))
    names = [MessageId(f"{number:026}") for number in range(MOST)]
    room.delivery.offer(MessageId("Y" * 26))

    marked = [room.delivery.starts_at_once(one, ACME) for one in names]

    assert marked == [True] * (MOST - 1) + [False]


async def test_a_promised_turn_that_never_came_is_given_to_another(open_room: OpenRoom) -> None:
    room = await open_room(route("acme.example", "192.0.2.1:25"))
    names = [MessageId(f"{number:026}") for number in range(MOST)]

    assert all(room.delivery.starts_at_once(one, ACME) for one in names)
    assert room.delivery.starts_at_once(names[0], "y@acme.example"), "it is the same turn"
    assert not room.delivery.starts_at_once(MessageId("Z" * 26), ACME)

    await room.clock.advance(10)
    assert room.delivery.starts_at_once(MessageId("Z" * 26), ACME)


async def test_a_destination_is_frozen_but_for_what_is_being_sent(open_room: OpenRoom) -> None:
    async with NextHop(greeting=SLOW) as hop:
        room = await open_room(route("acme.example", f"{hop.host}:{hop.port}"))
        # All bear a mark, as after a judgement that promised too much.
        sent = [await room.accept(ACME) for _ in range(60)]
        await hop.until(lambda: hop.sessions == MOST)

        looking = looking_at(room)
        answer = await looking.freeze(FreezeQuestion(destination="acme.example"))

        assert answer.moved == 60 - MOST
        states = [room.states(one)[0] for one in sent]
        assert (states.count(State.FROZEN), states.count(State.SENDING)) == (60 - MOST, MOST)
        hop.go_on()
        await room.until(lambda: len(room.unfinished()) == 60 - MOST)
        assert len(hop.taken) == MOST

        assert (await looking.resume(ResumeQuestion(destination="acme.example"))).moved == 50
        for one in room.unfinished():
            room.delivery.offer(one.id)
        await room.until(lambda: not room.unfinished())
    assert len(hop.taken) == 60


async def test_what_is_frozen_for_one_destination_goes_on_to_the_other(open_room: OpenRoom) -> None:
    async with NextHop(greeting=SLOW) as slow, NextHop(greeting=SLOW) as other:
        room = await open_room(
            route("acme.example", f"{slow.host}:{slow.port}"),
            route("beta.example", f"{other.host}:{other.port}"),
            connections_per_destination_max=1,
        )
        first = await room.accept(ACME)
        await slow.until(lambda: slow.sessions == 1)
        both = await room.accept(ACME, "x@beta.example")
        await other.until(lambda: other.sessions == 1)

        answer = await looking_at(room).freeze(FreezeQuestion(id=both))

        assert answer.moved == 1
        assert room.states(both) == [State.FROZEN, State.SENDING]
        slow.go_on()
        other.go_on()
        await room.until_ended(first)
        await room.until_state(both, State.FROZEN, State.DELIVERED)
    assert len(slow.taken) == len(other.taken) == 1
