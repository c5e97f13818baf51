"""What is to be delivered is read in rows, in order, and the rows of one message together."""

from __future__ import annotations

from typing import Any

from common.envelope import DsnParameters, Notify
from common.ids import MessageId
from common.states import State
from satellite.spool.model.messages import PendingRow
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.held_mail import fill

TO = "x@acme.example"


def read(spool: Spool, limit: int) -> list[list[PendingRow]]:
    chunks: list[list[PendingRow]] = []
    after = ""
    while rows := spool.pending(after=after, limit=limit):
        chunks.append(rows)
        after = rows[-1].message
    return chunks


async def test_pending_mail_comes_in_order_and_all_of_it(spool: Spool, clock: FakeClock) -> None:
    ids = await fill(spool, clock, TO, count=25)

    chunks = read(spool, 10)

    assert [row.message for rows in chunks for row in rows] == ids
    assert len(chunks) == 3
    first = chunks[0][0]
    assert (first.origin, first.address, first.state) == ("smtp", TO, "held")
    assert first.age_us == spool.age_us()


async def test_the_recipients_of_one_message_are_never_torn_apart(
    spool: Spool, clock: FakeClock
) -> None:
    (one,) = await fill(spool, clock, TO, count=1)
    (many,) = await fill(spool, clock, *(f"r{n}@acme.example" for n in range(7)), count=1, first=1)

    chunks = read(spool, 8)

    assert [[row.message for row in rows] for rows in chunks] == [[one], [many] * 7]


async def test_only_what_delivery_may_touch_is_pending(spool: Spool, clock: FakeClock) -> None:
    wanted = {State.QUEUED, State.SENDING, State.DEFERRED, State.HELD}
    ids: dict[MessageId, State] = {}
    for number, state in enumerate(State):
        (message,) = await fill(spool, clock, TO, count=1, first=number, state=state)
        ids[message] = state

    rows = spool.pending(after="", limit=100)

    assert {ids[row.message] for row in rows} == wanted


async def test_a_row_says_whether_a_sender_may_hear_of_a_delay(
    spool: Spool, clock: FakeClock
) -> None:
    def dsn(*notify: Notify) -> DsnParameters:
        return DsnParameters(notify=frozenset(notify))

    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"sender": ""}, False),
        ({"dsn": dsn(Notify.DELAY, Notify.FAILURE)}, True),
        ({"dsn": dsn(Notify.FAILURE)}, False),
        ({"dsn": dsn(Notify.NEVER)}, False),
    ]
    for number, (facts, _) in enumerate(cases):
        await fill(spool, clock, TO, count=1, first=number, **facts)

    rows = spool.pending(after="", limit=100)

    assert [bool(row.may_be_told) for row in rows] == [expected for _, expected in cases]
