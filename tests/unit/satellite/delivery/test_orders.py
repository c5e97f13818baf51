"""What an operator orders for held mail takes effect at once, in order, and after a restart."""

from __future__ import annotations

from typing import Any

from common.preferences import Document
from common.preferences.documents import canonical_json
from common.states import State
from satellite.spool.model.messages import Origin
from tests.support.clock import FakeClock
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.next_hop import NextHop
from tests.support.spool.held_mail import fill
from tests.unit.satellite.delivery.conftest import House, OpenHouse, route

DAY_S = 86_400.0
ACME = "x@acme.example"
NOBODY = "127.0.0.1:1"  # refused at once


def order(**body: Any) -> Document:
    return Document("hold", "acme.example", 1, canonical_json(body))


async def apply(house: House, *documents: Document) -> None:
    await house.set_routes(*documents)
    house.delivery.preferences_changed()


async def held(house: House, *, sender: str = "") -> Any:
    message = await house.accept(ACME, sender=sender)
    await house.until_state(message, State.HELD)
    return message


async def test_a_redirect_is_tried_at_once_and_the_old_server_no_more(
    open_house: OpenHouse,
) -> None:
    old = route("acme.example", NOBODY)
    async with NextHop() as hop:
        house = await open_house(old)
        messages = [await held(house) for _ in range(3)]

        await apply(house, old, order(deliver_to=[f"{hop.host}:{hop.port}"]))
        for message in messages:
            await house.until_ended(message)

    assert len(hop.taken) == 3
    assert house.delivery.holds() == []


async def test_days_that_are_added_count_for_what_is_held_already(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    acme = route("acme.example", NOBODY, hold_days=1)
    house = await open_house(acme)
    message = await held(house)
    await apply(house, acme, order(hold_days=2))
    await clock.settle()
    (hold,) = house.delivery.holds()
    assert hold.expires_us == clock.now_us() + 2 * int(DAY_S) * 1_000_000

    await clock.advance(DAY_S + 600)
    assert house.states(message) == [State.HELD]
    await clock.advance(DAY_S)
    await house.until_ended(message)
    assert house.results("ended")[ACME]["outcome"] == "expired"


async def test_what_came_before_an_order_goes_back_and_says_why(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    acme = route("acme.example", NOBODY)
    house = await open_house(acme, smarthost="127.0.0.1:2")
    before = await held(house, sender="a@sender.example")
    await clock.advance(5)
    back_us = clock.now_us()
    await clock.advance(5)
    after = await held(house)

    await apply(house, acme, order(bounce_before_us=back_us, reason="the server is gone"))
    await house.until_ended(before)

    ended = house.results("ended")[ACME]
    assert ended["outcome"] == "bounced"
    assert ended["reason"] == "returned by order of an operator: the server is gone"
    assert ended["attempts"] == 0
    assert house.states(after) == [State.HELD]
    bounce = next(stored for stored in house.unfinished() if stored.origin is Origin.BOUNCE)
    with house.spool.open_body(bounce) as body:
        (fields,) = read_status(body.read(0, body.size)).recipients
    assert (fields["Action"], fields["Status"]) == ("failed", "5.3.2")
    assert "the server is gone" in fields["Diagnostic-Code"]


async def test_an_order_stands_after_a_restart_and_is_paced(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    acme = route("acme.example", NOBODY)
    house = await open_house(acme)
    await fill(house.spool, clock, ACME, count=300, sender="")
    await clock.advance(10)
    # Applied while delivery knows nothing of the mail, as when the node stops in between.
    await house.set_routes(acme, order(bounce_before_us=clock.now_us()))

    house = await open_house()
    most = 0

    def is_done() -> bool:
        nonlocal most
        most = max(most, len(house.delivery._turns))
        return not house.spool.counts()[State.HELD]

    await house.until(is_done)

    assert 1 < most <= 11  # the limit of its destination, and one probe
    assert len(house.events("ended")) == 300


async def test_mail_that_comes_after_an_order_is_not_sent_back(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    acme = route("acme.example", NOBODY)
    house = await open_house(acme, order(bounce_before_us=clock.now_us()))
    await clock.advance(1)

    message = await held(house)
    await clock.advance(60)

    assert house.states(message) == [State.HELD]


async def test_what_is_deferred_goes_back_too(open_house: OpenHouse, clock: FakeClock) -> None:
    async with NextHop(RCPT=b"451 4.2.1 Mailbox busy\r\n") as hop:
        acme = route("acme.example", f"{hop.host}:{hop.port}")
        house = await open_house(acme)
        message = await house.accept(ACME, sender="")
        await house.until_state(message, State.DEFERRED)
        await clock.advance(1)

        await apply(house, acme, order(bounce_before_us=clock.now_us()))
        await house.until_ended(message)

    assert hop.verbs.count("MAIL") == 1
    assert house.results("ended")[ACME]["outcome"] == "bounced"
