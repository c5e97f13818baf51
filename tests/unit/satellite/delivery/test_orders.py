"""What an operator orders for held mail takes effect at once, in order, and after a restart."""

from __future__ import annotations

from typing import Any

from common.preferences import Document
from common.preferences.documents import canonical_json
from common.states import State
from satellite.spool.model.messages import Origin
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, route
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.next_hop import NextHop
from tests.support.spool.held_mail import fill

DAY_S = 86_400.0
ACME = "x@acme.example"
NOBODY = "127.0.0.1:1"  # refused at once


def order(**body: Any) -> Document:
    return Document("hold", "acme.example", 1, canonical_json(body))


async def apply(room: DeliveryRoom, *documents: Document) -> None:
    await room.set_routes(*documents)
    room.delivery.preferences_changed()


async def held(room: DeliveryRoom, *, sender: str = "") -> Any:
    message = await room.accept(ACME, sender=sender)
    await room.until_state(message, State.HELD)
    return message


async def test_a_redirect_is_tried_at_once_and_the_old_server_no_more(
    open_room: OpenRoom,
) -> None:
    old = route("acme.example", NOBODY)
    async with NextHop() as hop:
        room = await open_room(old)
        messages = [await held(room) for _ in range(3)]

        await apply(room, old, order(deliver_to=[f"{hop.host}:{hop.port}"]))
        for message in messages:
            await room.until_ended(message)

    assert len(hop.taken) == 3
    assert room.delivery.holds() == []


async def test_days_that_are_added_count_for_what_is_held_already(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    acme = route("acme.example", NOBODY, hold_days=1)
    room = await open_room(acme)
    message = await held(room)
    await apply(room, acme, order(hold_days=2))
    await clock.settle()
    (hold,) = room.delivery.holds()
    assert hold.expires_us == clock.now_us() + 2 * int(DAY_S) * 1_000_000

    await clock.advance(DAY_S + 600)
    assert room.states(message) == [State.HELD]
    await clock.advance(DAY_S)
    await room.until_ended(message)
    assert room.results("ended")[ACME]["outcome"] == "expired"


async def test_what_came_before_an_order_goes_back_and_says_why(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    acme = route("acme.example", NOBODY)
    room = await open_room(acme, smarthost="127.0.0.1:2")
    before = await held(room, sender="a@sender.example")
    await clock.advance(5)
    back_us = clock.now_us()
    await clock.advance(5)
    after = await held(room)

    await apply(room, acme, order(bounce_before_us=back_us, reason="the server is gone"))
    await room.until_ended(before)

    ended = room.results("ended")[ACME]
    assert ended["outcome"] == "bounced"
    assert ended["reason"] == "returned by order of an operator: the server is gone"
    assert ended["attempts"] == 0
    assert room.states(after) == [State.HELD]
    bounce = next(stored for stored in room.unfinished() if stored.origin is Origin.BOUNCE)
    with room.spool.open_body(bounce) as body:
        (fields,) = read_status(body.read(0, body.size)).recipients
    assert (fields["Action"], fields["Status"]) == ("failed", "5.3.2")
    assert "the server is gone" in fields["Diagnostic-Code"]


async def test_an_order_stands_after_a_restart_and_is_paced(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    acme = route("acme.example", NOBODY)
    room = await open_room(acme)
    await fill(room.spool, clock, ACME, count=300, sender="")
    await clock.advance(10)
    # Applied while delivery knows nothing of the mail, as when the node stops in between.
    await room.set_routes(acme, order(bounce_before_us=clock.now_us()))

    room = await open_room()
    most = 0

    def is_done() -> bool:
        nonlocal most
        most = max(most, len(room.delivery._turns))
        return not room.spool.counts()[State.HELD]

    await room.until(is_done)

    assert 1 < most <= 11  # the limit of its destination, and one probe
    assert len(room.events("ended")) == 300


async def test_mail_that_comes_after_an_order_is_not_sent_back(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    acme = route("acme.example", NOBODY)
    room = await open_room(acme, order(bounce_before_us=clock.now_us()))
    await clock.advance(1)

    message = await held(room)
    await clock.advance(60)

    assert room.states(message) == [State.HELD]


async def test_what_is_deferred_goes_back_too(open_room: OpenRoom, clock: FakeClock) -> None:
    async with NextHop(RCPT=b"451 4.2.1 Mailbox busy\r\n") as hop:
        acme = route("acme.example", f"{hop.host}:{hop.port}")
        room = await open_room(acme)
        message = await room.accept(ACME, sender="")
        await room.until_state(message, State.DEFERRED)
        await clock.advance(1)

        await apply(room, acme, order(bounce_before_us=clock.now_us()))
        await room.until_ended(message)

    assert hop.verbs.count("MAIL") == 1
    assert room.results("ended")[ACME]["outcome"] == "bounced"
