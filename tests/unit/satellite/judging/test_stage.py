"""From received to judged, with the real spool: each recipient its own end, and nothing lost."""

from __future__ import annotations

import asyncio
import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from common.errors import EnvironmentFailure
from common.ids import MessageId
from common.preferences import Document, Kind
from common.records import Event
from common.states import State
from common.verdict import Effect, Outcome, Test, Verdict
from satellite.filtering.filter import Mail
from satellite.headers import HEADER_BYTES_MAX
from satellite.judging.own_faults import FAULTS_MAX
from satellite.judging.stage import WAIT_GROWTH_MAX
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.judging.judging_room import (
    CLEAN,
    INFECTED,
    LARGE,
    OTHER,
    RETRY_S,
    SILENT,
    JudgingRoom,
)
from tests.support.node.shard import until
from tests.support.spool.open_spool import SMALL, TRACE, OpenSpool, accept

DAY_S = 86_400.0


@pytest.fixture
async def room(spool: Spool, clock: FakeClock) -> JudgingRoom:
    made = JudgingRoom(spool, clock)
    await made.prefer(route("acme.example"))
    return made


def policy(scope: str = "cluster", /, **keys: Any) -> Document:
    return document(Kind.POLICY, scope, **keys)


# ---- each recipient has an end of its own


async def test_two_recipients_end_differently_each_copy_with_its_own_headers(
    room: JudgingRoom,
) -> None:
    tagging = policy("recipient/y@acme.example", subject_tag="[SPAM]", **{"score.mark": 4.0})
    await room.prefer(route("acme.example"), tagging)
    message = await accept(room.spool, "x@acme.example", "y@acme.example", "z@acme.example")
    room.filters.tests = (
        Test(name="WORD", score=4.5, detail="subject"),
        Test(
            name="LIST_BLACK",
            recipient="z@acme.example",
            effect=Effect.BLOCK,
            detail="black recipient/z@acme.example .example",
        ),
    )

    await room.judging.judge(message)

    found = room.recipients(message)
    assert {address: one.state for address, one in found.items()} == {
        "x@acme.example": State.QUEUED,
        "y@acme.example": State.QUEUED,
        "z@acme.example": State.QUARANTINED,
    }
    x, y, z = (room.head(message, address) for address in found)
    assert x.startswith(TRACE.decode())
    assert "disposition=deliver" in x
    assert "X-BorderScout-Spam: no; score=4.5 required=5.0; tests=WORD:4.5\r\n" in x
    assert "X-BorderScout-Spam: yes; score=4.5 required=4.0; tests=WORD:4.5\r\n" in y
    assert "Subject: [SPAM] hi" in y
    assert "[SPAM]" not in x
    assert "disposition=quarantine" in z
    assert "LIST_BLACK" not in x + y, "what one recipient's list says shows in no other's copy"
    assert room.offered == [message]


async def test_recipients_with_the_same_headers_share_one_copy(room: JudgingRoom) -> None:
    message = await accept(room.spool, "x@acme.example", "y@acme.example")

    await room.judging.judge(message)

    stored = room.spool.message(message)
    assert stored is not None
    assert len(stored.copies) == 1


async def test_mail_that_nobody_gets_is_not_offered_for_delivery(room: JudgingRoom) -> None:
    message = await accept(room.spool)
    room.engines.verdicts = (INFECTED,)

    await room.judging.judge(message)

    assert room.states(message) == {State.QUARANTINED}
    assert room.offered == []


@pytest.mark.parametrize("body", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
async def test_the_rooms_are_shown_the_octets_and_the_envelope(
    room: JudgingRoom, body: bytes
) -> None:
    message = await accept(room.spool, "x@acme.example", body=body)

    await room.judging.judge(message)

    assert room.engines.seen == [(message, body)]
    (mail,) = room.filters.seen
    assert mail.envelope.recipients == ("x@acme.example",)
    assert mail.size == len(body)
    assert mail.now_us == room.clock.now_us()
    assert mail.preferences is room.spool.preferences
    assert room.states(message) == {State.QUEUED}


# ---- P12: the reason names what decided


@pytest.mark.parametrize(
    ("verdict", "tests", "said", "filed"),
    [
        (INFECTED, (), "virus: yara Eicar-Test; policy virus=quarantine (default)", "virus"),
        (
            CLEAN,
            (Test(name="WORD", score=11.0), Test(name="LINK", score=1.5)),
            "score: 12.5 by WORD:11.0, LINK:1.5; policy score.quarantine=10.0 (default)",
            "spam",
        ),
        (
            CLEAN,
            (Test(name="LIST_BLACK", effect=Effect.BLOCK, detail="black cluster .sender.example"),),
            "blacklist: black cluster .sender.example; policy blacklist=quarantine (default)",
            "blacklist",
        ),
        (
            Verdict(by="yara", outcome=Outcome.LIMITS, detail="too deep"),
            (),
            "unscannable: yara too deep; policy unscannable=quarantine (default)",
            "unscannable",
        ),
    ],
)
async def test_the_reason_names_what_decided_everywhere(
    room: JudgingRoom, verdict: Verdict, tests: tuple[Test, ...], said: str, filed: str
) -> None:
    message = await accept(room.spool)
    room.engines.verdicts, room.filters.tests = (verdict,), tests

    await room.judging.judge(message)

    recipient = room.recipients(message)["x@acme.example"]
    assert recipient.decided == recipient.reason == said
    (judged,) = room.records(Event.JUDGED, message)
    assert judged["recipients"][0]["reason"] == said
    assert judged["quarantine_reason"] == filed
    assert judged["quarantine_detail"] == said
    (upload,) = room.spool.uploads(limit=10)
    assert (upload.reason, upload.detail) == (filed, said)


async def test_clean_mail_says_why_it_is_delivered_and_by_whose_policy(room: JudgingRoom) -> None:
    await room.prefer(route("acme.example"), policy("customer/acme", **{"score.mark": 7.0}))
    message = await accept(room.spool)

    await room.judging.judge(message)

    recipient = room.recipients(message)["x@acme.example"]
    assert recipient.decided == "clean: score 0.0; policy score.mark=7.0 (customer/acme)"


@pytest.mark.parametrize(
    ("engine", "tests", "suspects"),
    [
        (CLEAN, (), set()),
        (CLEAN, (Test(name="WORD", score=4.5),), {"y@acme.example"}),  # who marks from 4.0 on
        (CLEAN, (Test(name="WORD", score=5.0),), {"x@acme.example", "y@acme.example"}),
        (INFECTED, (), {"x@acme.example", "y@acme.example"}),
        (
            CLEAN,
            (Test(name="D", effect=Effect.ASK_REJECT),),
            {"x@acme.example", "y@acme.example"},
        ),
    ],
)
async def test_the_spool_keeps_of_delivered_mail_that_it_was_judged_spam_or_virus(
    room: JudgingRoom, engine: Verdict, tests: tuple[Test, ...], suspects: set[str]
) -> None:
    marking = policy("cluster", virus="mark")
    sensitive = policy("recipient/y@acme.example", **{"score.mark": 4.0})
    await room.prefer(route("acme.example"), marking, sensitive)
    room.engines.verdicts = (engine,)
    room.filters.tests = tests
    message = await accept(room.spool, "x@acme.example", "y@acme.example")

    await room.judging.judge(message)

    found = room.recipients(message)
    assert {one.state for one in found.values()} == {State.QUEUED}
    assert {address for address, one in found.items() if one.suspect} == suspects


async def test_the_sending_mark_comes_with_the_judgement_where_delivery_starts_at_once(
    room: JudgingRoom,
) -> None:
    room.free = {"x@acme.example"}
    message = await accept(room.spool, "x@acme.example", "y@acme.example")

    await room.judging.judge(message)

    states = {name: one.state for name, one in room.recipients(message).items()}
    assert states == {"x@acme.example": State.SENDING, "y@acme.example": State.QUEUED}


async def test_every_verdict_stands_in_the_record_with_its_evidence(room: JudgingRoom) -> None:
    message = await accept(room.spool)
    room.engines.verdicts = (dataclasses.replace(CLEAN, detail="all read", attempt=2),)
    room.filters.tests = (Test(name="WORD", score=1.0, detail="subject holds x"),)

    await room.judging.judge(message)

    (scanned,) = room.records(Event.SCANNED, message)
    assert scanned["revision"] == 1
    assert scanned["score"] == 1.0
    assert (scanned["subject"], scanned["message_id"]) == ("hi", "<1@sender.example>")
    engine, filters = scanned["verdicts"]
    assert engine == {
        "by": "yara",
        "outcome": "clean",
        "version": "1.0",
        "definitions": "",
        "definitions_us": 0,
        "is_stale": False,
        "ms": 3,
        "detail": "all read",
        "threats": [],
        "attempt": 2,
        "tests": [],
        "died": False,
        "unreadable": [],
        "scoped": [],
    }
    assert filters["tests"] == [
        {
            "name": "WORD",
            "score": 1.0,
            "detail": "subject holds x",
            "recipient": None,
            "effect": "score",
        }
    ]


# ---- P5: what is unavailable is never clean


@pytest.mark.parametrize(
    "verdicts",
    [
        (SILENT,),
        (Verdict(by="yara", outcome=Outcome.TIMEOUT),),
        (Verdict(by="yara", outcome=Outcome.ERROR),),
        (),
    ],
    ids=["unavailable", "timeout", "error", "no record"],
)
async def test_what_no_engine_has_seen_is_not_delivered(
    room: JudgingRoom, verdicts: tuple[Verdict, ...]
) -> None:
    message = await accept(room.spool)
    room.engines.verdicts = verdicts

    async with room.at_work():
        await room.judging.judge(message)

        assert room.states(message) == {State.WAITING}
        assert room.offered == []
        assert room.recipients(message)["x@acme.example"].reason.startswith("unavailable: yara")
        (waiting,) = room.records(Event.WAITING, message)
        assert waiting["reason"].startswith("unavailable: yara")
        assert [one["by"] for one in waiting["verdicts"]] == [*[v.by for v in verdicts], "rules"]


async def test_marked_for_silence_it_is_delivered_and_says_unavailable(room: JudgingRoom) -> None:
    await room.prefer(route("acme.example"), policy(unavailable="mark", subject_tag="[?]"))
    message = await accept(room.spool)
    room.engines.verdicts = (SILENT, OTHER)

    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    head = room.head(message, "x@acme.example")
    assert "yara=unavailable; clamav=clean" in head
    assert "Subject: [?] hi" in head
    reason = room.recipients(message)["x@acme.example"].decided
    assert reason == "unavailable: yara no connection; policy unavailable=mark (cluster)"


async def test_quarantined_for_silence_it_is_told_so(room: JudgingRoom) -> None:
    await room.prefer(route("acme.example"), policy(unavailable="quarantine"))
    message = await accept(room.spool)
    room.engines.verdicts = (SILENT,)

    await room.judging.judge(message)

    (judged,) = room.records(Event.JUDGED, message)
    assert room.states(message) == {State.QUARANTINED}
    assert "unavailable: yara no connection" in judged["quarantine_detail"]


async def test_an_engine_that_need_not_answer_holds_nothing_up_and_is_seen(
    room: JudgingRoom,
) -> None:
    await room.prefer(route("acme.example"), document(Kind.ENGINE, "yara", required=False))
    message = await accept(room.spool)
    room.engines.verdicts = (SILENT, OTHER)

    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    head = room.head(message, "x@acme.example")
    assert "yara=unavailable; clamav=clean" in head


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("outcome", [Outcome.UNAVAILABLE, Outcome.TIMEOUT, Outcome.ERROR])
async def test_what_no_engine_has_seen_waits_whatever_the_policy_lets_pass(
    room: JudgingRoom, outcome: Outcome, required: bool
) -> None:
    passing = {"unavailable": "mark", "unavailable.error": "mark", "unavailable.timeout": "mark"}
    await room.prefer(
        route("acme.example"),
        document(Kind.ENGINE, "yara", required=required),
        policy(**passing),
    )
    message = await accept(room.spool)
    room.engines.verdicts = (dataclasses.replace(SILENT, outcome=outcome),)

    async with room.at_work():
        await room.judging.judge(message)

        assert room.states(message) == {State.WAITING}
        reason = room.recipients(message)["x@acme.example"].reason
        assert reason.endswith("=mark (cluster), which waits while no engine answers")


async def test_each_customer_has_a_rule_of_its_own_for_a_threat_that_one_engine_names(
    room: JudgingRoom,
) -> None:
    lenient = policy("domain/acme.example", **{"virus.rule": "engines:clamav"})
    await room.prefer(route("acme.example"), route("globex.example"), lenient)
    message = await accept(room.spool, "x@acme.example", "y@globex.example")
    room.engines.verdicts = (INFECTED, OTHER)

    await room.judging.judge(message)

    found = room.recipients(message)
    assert {address: one.state for address, one in found.items()} == {
        "x@acme.example": State.QUEUED,
        "y@globex.example": State.QUARANTINED,
    }
    decided = found["x@acme.example"].decided
    assert decided == "virus.outvoted: yara Eicar-Test; policy virus.outvoted=mark (default)"
    assert "infected; yara=infected" in room.head(message, "x@acme.example")


ALLOWED = policy("domain/acme.example", **{"engine.cloud": "allow"})
DENIED = policy("recipient/z@acme.example", **{"engine.cloud": "deny"})


@pytest.mark.parametrize(
    ("recipients", "may_leave"),
    [
        (["x@acme.example"], True),
        (["x@acme.example", "w@acme.example"], True),
        (["x@acme.example", "z@acme.example"], False),
        (["x@acme.example", "y@globex.example"], False),
        (["y@globex.example"], False),
    ],
)
async def test_mail_may_leave_the_house_only_if_the_policy_of_each_recipient_allows_it(
    room: JudgingRoom, recipients: list[str], may_leave: bool
) -> None:
    await room.prefer(route("acme.example"), route("globex.example"), ALLOWED, DENIED)
    message = await accept(room.spool, *recipients)

    await room.judging.judge(message)

    assert room.engines.may_leave == [may_leave]


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ({"action": "ignore"}, State.QUEUED),
        ({"action": "spam", "score": 4.0}, State.QUEUED),
        ({"action": "spam"}, State.QUARANTINED),
        ({"action": "ignore", "until_us": 1}, State.QUARANTINED),  # it has ended
    ],
)
async def test_what_the_operators_say_of_a_threat_decides(
    room: JudgingRoom, says: dict[str, Any], state: State
) -> None:
    await room.prefer(route("acme.example"), document(Kind.THREAT, "yara/Eicar*", **says))
    message = await accept(room.spool)
    room.engines.verdicts = (INFECTED,)

    await room.judging.judge(message)

    assert room.states(message) == {state}
    (scanned,) = room.records(Event.SCANNED, message)
    (yara, *_) = scanned["verdicts"]
    assert yara["threats"] == ["Eicar-Test"]  # the engine's word stays


async def test_a_threat_decides_whatever_another_engine_may_still_say(
    spool: Spool, clock: FakeClock
) -> None:
    two = [{"name": "yara", "kind": "yara"}, {"name": "clamav", "kind": "clamd"}]
    room = JudgingRoom(spool, clock, engines=two)
    message = await accept(spool)
    room.engines.verdicts = (INFECTED,)  # clamav: no record at all

    await room.judging.judge(message)

    assert room.states(message) == {State.QUARANTINED}


# ---- waiting


async def test_waiting_mail_is_tried_again_with_a_growing_wait_and_judged_in_the_end(
    room: JudgingRoom,
) -> None:
    room.engines.verdicts = (SILENT,)
    async with room.at_work():
        message = await accept(room.spool)
        await until(lambda: room.states(message) == {State.WAITING}, "it waits")
        for tries in range(1, 4):
            await until(lambda: room.clock.sleepers == 1, "it waits for its time")
            waits = room.records(Event.WAITING, message)
            assert len(room.engines.seen) == len(waits) == tries
            next_us = waits[-1]["next_us"]
            assert next_us == room.clock.now_us() + RETRY_S * tries * 1e6
            assert room.recipients(message)["x@acme.example"].next_us == next_us
            await room.clock.advance(RETRY_S * tries - 1)
            assert len(room.engines.seen) == tries, "not before its time"
            if tries == 3:
                room.engines.verdicts = (CLEAN,)
            await room.clock.advance(1)
            await until(partial(room.has_scanned, tries + 1), "another scan")

        await until(lambda: room.offered == [message], "it is judged")
        assert room.states(message) == {State.QUEUED}


async def test_a_wait_grows_no_further_than_its_limit(room: JudgingRoom) -> None:
    room.engines.verdicts = (SILENT,)
    message = await accept(room.spool)
    async with room.at_work():
        for _ in range(WAIT_GROWTH_MAX + 3):
            await room.judging.judge(message)

        waits = [one["next_us"] for one in room.records(Event.WAITING, message)]
    longest_us = room.clock.now_us() + RETRY_S * WAIT_GROWTH_MAX * 1e6
    assert waits[-4:] == [longest_us] * 4
    assert waits[-5] < longest_us


async def test_what_has_waited_for_the_hold_days_is_quarantined_and_says_so(
    room: JudgingRoom,
) -> None:
    await room.prefer(route("acme.example", hold_days=2))
    room.engines.verdicts = (SILENT,)
    message = await accept(room.spool)
    async with room.at_work():
        await room.clock.advance(2 * DAY_S)
        await room.judging.judge(message)
        assert room.states(message) == {State.WAITING}, "never early"

        await room.clock.advance(1)
        await room.judging.judge(message)

    assert room.states(message) == {State.QUARANTINED}
    (judged,) = room.records(Event.JUDGED, message)
    assert judged["quarantine_reason"] == "waited"
    assert "waited: yara no connection for all the hold days" in judged["quarantine_detail"]


async def test_the_hold_days_are_not_counted_by_a_wall_clock_that_jumps(room: JudgingRoom) -> None:
    room.engines.verdicts = (SILENT,)
    message = await accept(room.spool)
    async with room.at_work():
        room.clock.jump(365 * DAY_S)
        await room.judging.judge(message)

        assert room.states(message) == {State.WAITING}


async def test_a_restart_under_a_clock_that_was_set_back_does_not_wait_for_years(
    open_spool: OpenSpool, clock: FakeClock
) -> None:
    room = JudgingRoom(await open_spool(), clock)
    room.engines.verdicts = (SILENT,)
    message = await accept(room.spool)
    async with room.at_work():
        await room.judging.judge(message)
    clock.jump(-365 * DAY_S)
    again = JudgingRoom(await open_spool(), clock)

    async with again.at_work():
        for waiting, due_us in again.spool.backlog.scan:
            again.judging.add(waiting, due_us)
        await clock.settle()
        await clock.advance(RETRY_S * WAIT_GROWTH_MAX)
        await until(lambda: again.states(message) == {State.QUEUED}, "it is judged")


async def test_a_message_that_an_engine_cannot_finish_is_limits_also_after_restarts(
    open_spool: OpenSpool, clock: FakeClock
) -> None:
    """Its tries are counted in the spool: a worker that dies of it begins no new count."""
    message = None
    for _ in range(FAULTS_MAX):
        room = JudgingRoom(await open_spool(), clock)
        room.engines.verdicts = (Verdict(by="yara", outcome=Outcome.TIMEOUT, detail="60 s"),)
        room.engines.answers_others = True
        if message is None:
            message = await accept(room.spool)
            await room.prefer()
        async with room.at_work():
            assert not room.records(Event.JUDGED, message)
            await room.judging.judge(message)

    assert room.engines.known == [frozenset({"yara"})]
    assert message is not None
    assert room.states(message) == {State.QUARANTINED}
    (judged,) = room.records(Event.JUDGED, message)
    assert judged["quarantine_reason"] == "unscannable"
    assert "could not finish this message in 3 tries" in judged["quarantine_detail"]


async def test_a_message_of_which_an_engine_died_twice_is_set_aside_also_after_a_restart(
    open_spool: OpenSpool, clock: FakeClock
) -> None:
    message = None
    for _ in range(2):
        room = JudgingRoom(await open_spool(), clock)
        room.engines.verdicts = (
            Verdict(by="yara", outcome=Outcome.UNAVAILABLE, detail="no connection", died=True),
        )
        room.engines.answers_others = True
        if message is None:
            message = await accept(room.spool)
            await room.prefer()
        async with room.at_work():
            await room.judging.judge(message)

    assert message is not None
    assert room.engines.known == [frozenset({"yara", "yara/died"})]
    assert room.engines.set_aside_of == [("yara", message)]
    assert room.states(message) == {State.QUARANTINED}
    (judged,) = room.records(Event.JUDGED, message)
    assert judged["quarantine_reason"] == "unscannable"
    assert "it died of this message 2 times, but read others" in judged["quarantine_detail"]


async def test_mail_that_is_tried_again_delays_no_fresh_mail(room: JudgingRoom) -> None:
    """Twenty messages that nobody can finish, and a scan of each that takes until we let it."""
    room.engines.verdicts = (SILENT,)
    bad = [await accept(room.spool) for _ in range(20)]
    for message in bad:
        await room.judging.judge(message)
    finished, begun = asyncio.Event(), 0

    async def take_long() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            await finished.wait()

    room.engines.meanwhile = take_long
    async with room.at_work():
        for message in bad:
            room.judging.add(message, 1)  # due long ago
        await until(lambda: begun == 1, "one is tried again")
        room.engines.verdicts = (CLEAN,)
        fresh = [await accept(room.spool) for _ in range(5)]

        await until(lambda: sorted(room.offered) == sorted(fresh), "fresh mail is judged")

        assert all(room.states(message) == {State.WAITING} for message in bad)
        finished.set()
        await until(lambda: len(room.offered) == 25, "all are judged")


async def test_filters_that_wait_do_not_hold_the_places_of_engines(room: JudgingRoom) -> None:
    """Fifty messages wait for a DNS list at a time, where four may be scanned."""
    answered, asked = asyncio.Event(), 0
    examine = room.filters.examine

    async def examine_late(mail: Mail) -> tuple[Verdict, ...]:
        nonlocal asked
        asked += 1
        await answered.wait()
        return await examine(mail)

    room.filters.examine = examine_late  # type: ignore[method-assign]
    async with room.at_work():
        messages = [await accept(room.spool) for _ in range(50)]

        await until(lambda: asked == 50, "all have asked")

        answered.set()
        await until(lambda: sorted(room.offered) == sorted(messages), "all are judged")


# ---- trouble


@pytest.mark.parametrize("harm", ["shorter", "gone"])
async def test_mail_whose_body_is_damaged_is_set_aside_and_told(
    room: JudgingRoom, tmp_path: Path, harm: str
) -> None:
    message = await accept(room.spool, body=LARGE)
    path = tmp_path / "shard-0" / "bodies" / message
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(LARGE[:-1])

    await room.judging.judge(message)

    assert room.states(message) == {State.DAMAGED}
    (damaged,) = room.records(Event.DAMAGED, message)
    assert message in damaged["reason"]
    assert room.engines.seen == []
    assert room.offered == []


async def test_no_engine_is_shown_a_body_that_a_stop_has_changed(
    open_spool: OpenSpool, clock: FakeClock, tmp_path: Path
) -> None:
    body = LARGE + bytes(HEADER_BYTES_MAX)  # the header alone does not show it
    message = await accept(await open_spool(), body=body)
    path = tmp_path / "shard-0" / "bodies" / message
    path.write_bytes(body[:-1] + b"\x01")
    room = JudgingRoom(await open_spool(), clock)

    await room.judging.judge(message)

    assert room.states(message) == {State.DAMAGED}
    assert room.engines.seen == []


async def test_a_repeat_is_harmless(room: JudgingRoom) -> None:
    message = await accept(room.spool, "x@acme.example", "y@acme.example")
    await room.judging.judge(message)

    await room.judging.judge(message)
    await room.judging.judge(MessageId("01ARZ3NDEKTSV4RRFFQ69G5FAV"))

    assert len(room.engines.seen) == 1
    assert len(room.records(Event.JUDGED, message)) == 1
    assert room.offered == [message]


async def test_a_room_that_raises_does_not_lose_the_message(room: JudgingRoom) -> None:
    room.engines.failures = [RuntimeError("a defect"), OSError("another")]
    async with room.at_work():
        message = await accept(room.spool)
        for tries in (1, 2):
            await until(partial(room.has_scanned, tries), "a scan")
            await room.clock.settle()
            assert room.states(message) == {State.RECEIVED}
            await until(lambda: room.clock.sleepers >= 1, "it is to be tried again")
            await room.clock.advance(RETRY_S + 1)

        await until(lambda: room.offered == [message], "it is judged")
        assert room.states(message) == {State.QUEUED}


async def test_a_spool_that_cannot_write_does_not_lose_the_message(
    room: JudgingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = room.spool.judge
    refused: list[MessageId] = []

    async def refuse_once(message: MessageId, judgement: Any, **more: Any) -> None:
        if not refused:
            refused.append(message)
            raise EnvironmentFailure("the spool's disk is full")
        await judge(message, judgement, **more)

    monkeypatch.setattr(room.spool, "judge", refuse_once)
    async with room.at_work():
        message = await accept(room.spool)
        await until(lambda: refused == [message], "the first judgement")
        await room.clock.settle()
        assert room.states(message) == {State.RECEIVED}
        await room.clock.advance(RETRY_S + 1)
        await until(lambda: room.states(message) == {State.QUEUED}, "it is judged")


async def test_one_message_that_fails_holds_up_no_other(room: JudgingRoom) -> None:
    room.engines.failures = [RuntimeError("a defect")]
    async with room.at_work():
        await accept(room.spool)
        await until(lambda: not room.engines.failures, "the first has failed")
        other = await accept(room.spool)

        await until(lambda: room.states(other) == {State.QUEUED}, "the other is judged")


async def test_what_a_restart_finds_is_judged(open_spool: OpenSpool, clock: FakeClock) -> None:
    message = await accept(await open_spool())
    room = JudgingRoom(await open_spool(), clock)

    async with room.at_work():
        for found, due_us in room.spool.backlog.scan:
            room.judging.add(found, due_us)
        await until(lambda: room.states(message) == {State.QUEUED}, "it is judged")


# ---- postmaster


async def test_postmaster_mail_that_nobody_reads_goes_to_the_quarantine(room: JudgingRoom) -> None:
    message = await accept(room.spool, "PostMaster@mx.scout.example")

    await room.judging.judge(message)

    (judged,) = room.records(Event.JUDGED, message)
    assert room.states(message) == {State.QUARANTINED}
    assert judged["quarantine_reason"] == "postmaster"


@pytest.mark.parametrize(
    ("address", "reader"),
    [
        ("postmaster@mx.scout.example", "ops@acme.example"),
        ("postmaster@acme.example", ""),
        ("postmasters@mx.scout.example", ""),
    ],
    ids=["the cluster names a reader", "the customer takes it", "it is no postmaster"],
)
async def test_postmaster_mail_that_somebody_reads_is_delivered(
    spool: Spool, clock: FakeClock, address: str, reader: str
) -> None:
    room = JudgingRoom(spool, clock, postmaster=reader)
    await room.prefer(route("acme.example"))
    message = await accept(spool, address)

    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}


# ---- P6, G2: one revision judges one message


async def test_a_message_is_judged_by_the_revision_that_was_applied_when_its_scan_began(
    room: JudgingRoom,
) -> None:
    await room.prefer(route("acme.example"), policy("cluster", **{"score.mark": 4.0}), revision=7)
    message = await accept(room.spool)
    room.filters.tests = (Test(name="WORD", score=4.5),)

    async def changed() -> None:
        stricter = policy(
            "cluster", subject_tag="[NEW]", **{"score.mark": 1.0, "score.quarantine": 2.0}
        )
        await room.prefer(route("acme.example"), stricter, revision=8)

    room.engines.meanwhile = changed
    await room.judging.judge(message)

    assert room.spool.preferences.position.revision == 8
    assert room.states(message) == {State.QUEUED}
    head = room.head(message, "x@acme.example")
    assert "revision=7;" in head
    assert "score=4.5 required=4.0" in head
    assert "[NEW]" not in head
    stored = room.spool.message(message)
    assert stored is not None
    assert stored.revision == 7
    (scanned,) = room.records(Event.SCANNED, message)
    assert scanned["revision"] == 7
    assert "policy score.mark=4.0" in room.recipients(message)["x@acme.example"].decided
    assert room.filters.seen[0].preferences.position.revision == 7


async def test_what_waits_is_judged_by_the_revision_of_its_last_scan(room: JudgingRoom) -> None:
    room.engines.verdicts = (SILENT,)
    message = await accept(room.spool)
    async with room.at_work():
        await room.judging.judge(message)
        room.engines.verdicts = (SILENT, OTHER)
        await room.prefer(route("acme.example"), policy(unavailable="mark"), revision=9)

        await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    assert "revision=9;" in room.head(message, "x@acme.example")


async def test_filters_that_never_wait_are_asked_without_a_task(room: JudgingRoom) -> None:
    room.filters.waits = False
    room.filters.tests = (Test(name="RULE_X", score=1.0),)
    message = await accept(room.spool)

    await room.judging.judge(message)

    assert room.states(message) == {State.QUEUED}
    assert len(room.filters.seen) == 1


async def test_a_message_is_not_read_again_on_its_way_through(
    room: JudgingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.free = {"x@acme.example"}
    reads: list[str] = []
    select = room.spool._select

    def counted(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        reads.append(sql)
        return select(sql, values)

    monkeypatch.setattr(room.spool, "_select", counted)
    message = await accept(room.spool)

    await room.judging.judge(message)
    stored = room.spool.message(message)

    assert stored is not None
    assert stored.recipients[0].state is State.SENDING
    with room.spool.open_body(stored) as body:
        assert body.read(0, 1000) == SMALL
    assert reads == []


async def test_mail_in_which_nothing_was_found_is_judged_by_each_recipients_present_policy(
    room: JudgingRoom,
) -> None:
    heads = []
    for revision, threshold in ((7, 4.0), (8, 3.0)):
        own = policy("recipient/y@acme.example", **{"score.mark": threshold})
        await room.prefer(route("acme.example"), own, revision=revision)
        message = await accept(room.spool, "x@acme.example", "y@acme.example")
        await room.judging.judge(message)
        heads += [room.head(message, f"{name}@acme.example") for name in "xy"]

    required = [head.partition(" required=")[2].partition(";")[0] for head in heads]
    assert required == ["5.0", "4.0", "5.0", "3.0"]


async def test_what_is_found_counts_after_much_mail_in_which_nothing_was(room: JudgingRoom) -> None:
    for _ in range(3):
        await room.judging.judge(await accept(room.spool))
    message = await accept(room.spool)
    room.filters.tests = (Test(name="LIST_BLACK", effect=Effect.BLOCK, detail="black"),)

    await room.judging.judge(message)

    assert room.states(message) == {State.QUARANTINED}
