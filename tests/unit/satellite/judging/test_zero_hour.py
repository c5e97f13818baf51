"""Mail of risky types is kept for its zero hour, scanned again after it, and delivered once."""

from __future__ import annotations

import math
from typing import Any

import pytest

from common.ids import MessageId
from common.preferences import Document, Kind
from common.preferences.risky_types import RiskyType
from common.records import Event
from common.states import State
from satellite.judging.stage import AFTER_ZERO_HOUR_S
from satellite.spool.model.zero_hour import ENDED
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.judging.judging_room import CLEAN, INFECTED, OTHER, SILENT, JudgingRoom
from tests.support.node.shard import until
from tests.support.spool.open_spool import SMALL, OpenSpool, accept

MINUTE_S = 60.0
PROGRAM = frozenset({RiskyType.PROGRAM})


def policy(scope: str = "cluster", /, **keys: Any) -> Document:
    return document(Kind.POLICY, scope, **keys)


@pytest.fixture
async def room(spool: Spool, clock: FakeClock) -> JudgingRoom:
    return await made_room(spool, clock)


async def made_room(spool: Spool, clock: FakeClock) -> JudgingRoom:
    room = JudgingRoom(spool, clock)
    await room.prefer(route("acme.example"), policy(zero_hour=30.0))
    room.risk.types = PROGRAM
    return room


async def test_risky_mail_waits_for_its_minutes_with_the_reason_and_the_time(
    room: JudgingRoom, clock: FakeClock
) -> None:
    message = await accept(room.spool)

    await room.judging.judge(message)

    (found,) = room.recipients(message).values()
    assert found.state is State.WAITING
    assert found.reason == (
        "zero_hour: program, to be scanned again; policy zero_hour=30.0 (cluster)"
    )
    assert found.next_us == clock.now_us() + 30 * 60_000_000
    kept = room.judging.kept
    assert (kept.octets, kept.recipients) == (len(SMALL), 1)
    assert room.judging.keeps_mail_for("x@acme.example")
    (record,) = room.records(Event.WAITING, message)
    assert (record["reason"], record["next_us"]) == (found.reason, found.next_us)
    assert room.offered == []


async def test_after_its_minutes_it_is_scanned_again_and_delivered_once(
    room: JudgingRoom, clock: FakeClock
) -> None:
    async with room.at_work():
        message = await accept(room.spool)
        await until(lambda: room.states(message) == {State.WAITING}, "kept")
        scans = len(room.engines.seen)

        await clock.advance(29 * MINUTE_S)
        assert len(room.engines.seen) == scans, "nobody scans it before"
        await clock.advance(MINUTE_S + 1)
        await until(lambda: room.offered == [message], "judged")

    assert len(room.engines.seen) == scans + 1
    assert room.offered == [message]


async def test_what_was_said_of_it_before_is_not_remembered_after_its_minutes(
    room: JudgingRoom, clock: FakeClock
) -> None:
    async with room.at_work():
        message = await accept(room.spool)
        await until(lambda: room.states(message) == {State.WAITING}, "kept")
        await clock.advance(30 * MINUTE_S + 1)
        await until(lambda: room.offered == [message], "judged")

    assert room.engines.said_within_s == [math.inf, AFTER_ZERO_HOUR_S]


async def test_definitions_that_know_it_by_then_keep_it_from_its_recipient(
    room: JudgingRoom, clock: FakeClock
) -> None:
    message = await accept(room.spool)
    await room.judging.judge(message)
    await clock.advance(30 * MINUTE_S)

    room.engines.verdicts = (INFECTED,)
    await room.judging.judge(message)

    assert room.states(message) == {State.QUARANTINED}
    assert room.offered == []
    assert (room.judging.kept.octets, room.judging.kept.recipients) == (0, 0)


async def test_a_scan_that_began_before_the_end_does_not_end_it(
    room: JudgingRoom, clock: FakeClock
) -> None:
    message = await accept(room.spool)
    await clock.advance(29.9 * MINUTE_S)

    async def slowly() -> None:
        await clock.advance(MINUTE_S)

    room.engines.meanwhile = slowly
    await room.judging.judge(message)

    assert room.states(message) == {State.WAITING}


async def test_mail_of_no_risky_type_and_of_types_that_are_not_meant_is_delivered(
    room: JudgingRoom,
) -> None:
    await room.prefer(
        route("acme.example"),
        policy(zero_hour=30.0),
        policy("recipient/y@acme.example", **{"zero_hour.types": "script"}),
        revision=2,
    )
    plain = await accept(room.spool, "x@acme.example")
    room.risk.types = frozenset()
    await room.judging.judge(plain)
    room.risk.types = PROGRAM
    other = await accept(room.spool, "y@acme.example")

    await room.judging.judge(other)

    assert room.states(plain) == room.states(other) == {State.QUEUED}


async def test_those_without_a_zero_hour_do_not_wait_for_those_with_one(room: JudgingRoom) -> None:
    hour = policy("recipient/x@acme.example", zero_hour=30.0)
    await room.prefer(route("acme.example"), hour, revision=2)
    message = await accept(room.spool, "x@acme.example", "y@acme.example")

    await room.judging.judge(message)

    found = room.recipients(message)
    assert found["x@acme.example"].state is State.WAITING
    assert found["y@acme.example"].state is State.QUEUED


async def test_where_no_policy_has_one_nobody_asks_for_the_type(room: JudgingRoom) -> None:
    await room.prefer(route("acme.example"), revision=2)
    message = await accept(room.spool)

    await room.judging.judge(message)

    assert room.risk.seen == []


async def test_a_wall_clock_that_jumps_neither_shortens_nor_lengthens_it(
    room: JudgingRoom, clock: FakeClock
) -> None:
    async with room.at_work():
        message = await accept(room.spool)
        await until(lambda: room.states(message) == {State.WAITING}, "kept")
        scans = len(room.engines.seen)

        clock.jump(86_400.0)
        room.judging.add(message, clock.now_us() - 1)  # as if a restart had read it
        await clock.advance(MINUTE_S)
        assert room.states(message) == {State.WAITING}
        assert len(room.engines.seen) == scans
        clock.jump(-30 * 86_400.0)
        await clock.advance(29 * MINUTE_S + 1)
        await until(lambda: room.states(message) == {State.QUEUED}, "judged")


async def test_a_restart_goes_on_where_it_was(
    room: JudgingRoom, clock: FakeClock, open_spool: OpenSpool
) -> None:
    message = await accept(room.spool)
    await room.judging.judge(message)
    await clock.advance(10 * MINUTE_S)

    again = await made_room(await open_spool(), clock)
    assert [one for one, _ in again.spool.backlog.scan] == [message]
    async with again.at_work():
        for one, due_us in again.spool.backlog.scan:
            again.judging.add(one, due_us)
        await clock.advance(19 * MINUTE_S)
        assert again.states(message) == {State.WAITING}
        assert again.judging.kept.recipients == 1, "known once it was looked at"
        await clock.advance(MINUTE_S + 1)
        await until(lambda: again.offered == [message], "judged")

    assert again.states(message) == {State.QUEUED}


async def test_an_operator_lets_it_go_after_one_more_scan(room: JudgingRoom) -> None:
    message = await accept(room.spool)
    await room.judging.judge(message)

    await room.spool.resume(message)
    (found,) = room.recipients(message).values()
    assert (found.state, found.reason, found.next_us) == (State.WAITING, ENDED, 0)
    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    assert [record["reason"] for record in room.records(Event.WAITING, message)][-1] == ENDED


async def test_an_operator_does_not_let_a_virus_go(room: JudgingRoom) -> None:
    message = await accept(room.spool)
    await room.judging.judge(message)
    room.engines.verdicts = (INFECTED,)

    await room.spool.resume(message)
    await room.judging.judge(message)

    assert room.states(message) == {State.QUARANTINED}


async def test_an_engine_that_is_away_is_asked_again_long_before_the_zero_hour_ends(
    room: JudgingRoom, clock: FakeClock
) -> None:
    hour = policy("recipient/x@acme.example", zero_hour=30.0)
    mark = policy("recipient/x@acme.example", zero_hour=30.0, unavailable="mark")
    await room.prefer(route("acme.example"), hour, revision=2)
    await room.prefer(route("acme.example"), mark, revision=3)
    room.engines.verdicts = (SILENT, OTHER)
    message = await accept(room.spool, "x@acme.example", "y@acme.example")

    await room.judging.judge(message)

    found = room.recipients(message)
    assert {one.state for one in found.values()} == {State.WAITING}
    assert all(one.reason.startswith("unavailable: yara") for one in found.values())
    assert found["y@acme.example"].next_us < clock.now_us() + MINUTE_S * 1e6
    room.engines.verdicts = (CLEAN, OTHER)
    await room.judging.judge(message)
    assert room.recipients(message)["x@acme.example"].reason.startswith("zero_hour:")
    assert room.recipients(message)["y@acme.example"].state is State.QUEUED


async def test_what_our_reader_has_no_time_for_is_asked_about_again_soon(
    room: JudgingRoom, clock: FakeClock
) -> None:
    room.risk.types = None
    message = await accept(room.spool)

    await room.judging.judge(message)

    (found,) = room.recipients(message).values()
    assert found.state is State.WAITING
    assert found.reason.startswith("unavailable: our reader has no time")
    assert found.next_us < clock.now_us() + MINUTE_S * 1e6
    room.risk.types = frozenset()
    await room.judging.judge(message)
    assert room.states(message) == {State.QUEUED}


async def test_before_the_answer_it_is_accepted_and_kept(room: JudgingRoom) -> None:
    stored, body = await offered(room.spool)

    assert await room.judging.judge_before_answer(stored, body) is None


async def offered(spool: Spool) -> Any:
    message: MessageId = await accept(spool)
    stored = spool.message(message)
    assert stored is not None
    return stored, spool.open_body(stored)
