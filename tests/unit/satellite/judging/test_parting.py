"""Recipients part ways: who need not wait for an engine does not, and nobody waits for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

from common.ids import MessageId
from common.preferences import Document, Kind
from common.records import Event
from common.states import State
from satellite.spool.model.messages import Settled
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.judging.judging_room import CLEAN, INFECTED, OTHER, RETRY_S, SILENT, JudgingRoom
from tests.support.node.shard import until
from tests.support.spool.listening import listen
from tests.support.spool.open_spool import OpenSpool, accept

X, Y, Z = "x@acme.example", "y@globex.example", "z@acme.example"


def policy(scope: str, /, **keys: Any) -> Document:
    return document(Kind.POLICY, scope, **keys)


HASTY = policy("domain/globex.example", unavailable="mark")  # the other one waits


async def room_of(spool: Spool, clock: FakeClock, *more: Document) -> JudgingRoom:
    room = JudgingRoom(spool, clock)
    await room.prefer(route("acme.example"), route("globex.example"), *(more or (HASTY,)))
    return room


@pytest.fixture
async def room(spool: Spool, clock: FakeClock) -> JudgingRoom:
    return await room_of(spool, clock)


def states_of(room: JudgingRoom, message: MessageId) -> dict[str, State]:
    return {address: one.state for address, one in room.recipients(message).items()}


@pytest.mark.parametrize("to", [(X, Y), (Y, X)])
async def test_one_customers_wait_holds_no_other_customers_copy(
    room: JudgingRoom, to: tuple[str, str]
) -> None:
    message = await accept(room.spool, *to)
    room.engines.verdicts = (SILENT, OTHER)

    await room.judging.judge(message)

    assert states_of(room, message) == {X: State.WAITING, Y: State.QUEUED}
    assert "yara=unavailable" in room.head(message, Y)
    assert room.offered == [message]
    (waiting,) = room.records(Event.WAITING, message)
    assert waiting["recipients"] == [X]
    (judged,) = room.records(Event.JUDGED, message)
    assert [one["address"] for one in judged["recipients"]] == [Y]


async def test_who_waited_is_judged_alone_later_and_each_keeps_its_own_copy(
    room: JudgingRoom, clock: FakeClock
) -> None:
    message = await accept(room.spool, X, Y, Z)
    room.engines.verdicts = (SILENT, OTHER)
    async with room.at_work():
        room.judging.add(message)
        await until(lambda: states_of(room, message).get(Y) is State.QUEUED, "one is judged")
        room.engines.verdicts = (CLEAN,)
        await clock.advance(RETRY_S + 1)
        await until(lambda: room.offered == [message, message], "all are judged")

    assert room.states(message) == {State.QUEUED}
    assert "yara=unavailable" in room.head(message, Y)
    assert "yara=clean" in room.head(message, X)
    assert room.head(message, X) == room.head(message, Z)


async def test_who_was_delivered_meanwhile_stays_so_and_the_body_stays_for_the_other(
    room: JudgingRoom,
) -> None:
    room.free = {Y}
    message = await accept(room.spool, X, Y)
    room.engines.verdicts = (SILENT, OTHER)
    await room.judging.judge(message)
    await room.spool.settle(
        message, [Settled(number=1, state=State.DELIVERED, reason="250", reply="250 Ok")]
    )

    room.engines.verdicts = (CLEAN,)
    await room.judging.judge(message)

    assert states_of(room, message) == {X: State.QUEUED, Y: State.DELIVERED}
    await room.spool.mark_sending(message, [0])
    await room.spool.settle(message, [Settled(number=0, state=State.DELIVERED, reason="250")])
    assert room.spool.message(message) is None


async def test_a_quarantined_copy_goes_to_the_core_with_those_of_who_waited(
    spool: Spool, clock: FakeClock
) -> None:
    room = await room_of(spool, clock, policy("domain/globex.example", unavailable="quarantine"))
    message = await accept(spool, X, Y)
    room.engines.verdicts = (SILENT, OTHER)
    await room.judging.judge(message)
    assert states_of(room, message) == {X: State.WAITING, Y: State.QUARANTINED}
    assert spool.uploads(limit=10) == [], "the core takes a message once"

    room.engines.verdicts = (INFECTED,)
    await room.judging.judge(message)

    (upload,) = spool.uploads(limit=10)
    assert upload.recipients == (X, Y)
    assert upload.reason == "virus"


async def test_what_was_quarantined_first_stays_so_when_the_others_copy_is_clean(
    spool: Spool, clock: FakeClock
) -> None:
    room = await room_of(spool, clock, policy("domain/globex.example", unavailable="quarantine"))
    message = await accept(spool, X, Y)
    room.engines.verdicts = (SILENT, OTHER)
    await room.judging.judge(message)

    room.engines.verdicts = (CLEAN,)
    await room.judging.judge(message)

    (upload,) = spool.uploads(limit=10)
    assert upload.recipients == (Y,)


async def test_a_restart_goes_on_with_who_waits_beside_who_is_judged(
    open_spool: OpenSpool, clock: FakeClock
) -> None:
    spool = await open_spool()
    room = await room_of(spool, clock)
    message = await accept(spool, Y, X)
    room.engines.verdicts = (SILENT, OTHER)
    await room.judging.judge(message)

    spool = await open_spool()
    room = await room_of(spool, clock)
    async with room.at_work():
        for waiting, due_us in spool.backlog.scan:
            room.judging.add(waiting, due_us)
        await clock.advance(RETRY_S + 1)
        await until(lambda: room.states(message) == {State.QUEUED}, "all are judged")


async def test_who_lost_his_judgement_in_a_rescue_is_judged_beside_the_others(
    open_spool: OpenSpool, clock: FakeClock, spool_folder: Path
) -> None:
    spool = await open_spool()
    room = await room_of(spool, clock)
    message = await accept(spool, Y, X)
    room.engines.verdicts = (SILENT, OTHER)
    await room.judging.judge(message)
    room.engines.verdicts = (CLEAN,)
    await room.judging.judge(message)
    head = room.head(message, X)
    await spool.close()
    with apsw.Connection(str(spool_folder / "spool.db")) as database:
        # As a rescue leaves it that could not read the first one's copy.
        database.execute("DELETE FROM copy WHERE number=0")
        database.execute("UPDATE recipient SET state='waiting', copy=-1 WHERE number=0")

    spool = await Spool.open(spool_folder, node="lon1", shard=0, clock=clock)
    room = await room_of(spool, clock)
    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    assert room.head(message, X) == head
    assert "yara=clean" in room.head(message, Y)
    await spool.close()


async def test_a_copy_that_a_rescue_left_behind_stands_in_nobodys_way(
    open_spool: OpenSpool, clock: FakeClock, spool_folder: Path
) -> None:
    spool = await open_spool()
    room = await room_of(spool, clock)
    message = await accept(spool, X, Y)
    await room.judging.judge(message)
    await spool.close()
    with apsw.Connection(str(spool_folder / "spool.db")) as database:
        database.execute("UPDATE recipient SET state='waiting', copy=-1")

    spool = await Spool.open(spool_folder, node="lon1", shard=0, clock=clock)
    room = await room_of(spool, clock)
    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    await spool.close()


async def test_once_a_damaged_body_is_back_each_recipient_goes_on_from_where_he_was(
    room: JudgingRoom,
) -> None:
    message = await accept(room.spool, X, Y)
    room.engines.verdicts = (SILENT, OTHER)
    await room.judging.judge(message)
    await room.spool.damage(message, "its body cannot be read")
    told: list[str] = []
    listen(
        room.spool,
        received=lambda message, due_us=0: told.append("to judging"),
        queued=lambda message: told.append("to delivery"),
    )

    await room.spool.resume(message)

    assert states_of(room, message) == {X: State.WAITING, Y: State.DEFERRED}
    assert sorted(told) == ["to delivery", "to judging"]
