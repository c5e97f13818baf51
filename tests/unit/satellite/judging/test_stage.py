"""From received to judged, with the real spool: each recipient its own end, and nothing lost."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
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
from satellite.judging.stage import WAIT_GROWTH_MAX, JudgingStage
from satellite.scanning.sample import Sample
from satellite.spool.model.messages import Recipient
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import at, document, preferences, route
from tests.support.node.shard import (
    SMALL,
    TRACE,
    OpenSpool,
    accept,
    settings,
    until,
)
from tests.support.spool.listening import listen

DAY_S = 86_400.0
RETRY_S = 15.0
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 10_000
CLEAN = Verdict(by="yara", outcome=Outcome.CLEAN, version="1.0", ms=3)
SILENT = Verdict(by="yara", outcome=Outcome.UNAVAILABLE, detail="no connection")
INFECTED = Verdict(by="yara", outcome=Outcome.INFECTED, threats=("Eicar-Test",))


class Engines:
    """Says what the test wants of every message; ``meanwhile`` runs while it scans."""

    def __init__(self) -> None:
        self.verdicts: tuple[Verdict, ...] = (CLEAN,)
        self.failures: list[Exception] = []
        self.seen: list[tuple[MessageId, bytes]] = []
        self.meanwhile: Callable[[], Any] | None = None

    async def scan(self, sample: Sample) -> tuple[Verdict, ...]:
        self.seen.append((sample.id, sample.read(0, sample.size)))
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.failures:
            raise self.failures.pop(0)
        return self.verdicts


class Tests:
    """Filters that give the tests that the test wants."""

    __test__ = False

    def __init__(self) -> None:
        self.tests: tuple[Test, ...] = ()
        self.seen: list[Mail] = []
        self.waits = True

    def at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        if self.waits:
            return None
        self.seen.append(mail)
        return (Verdict(by="rules", outcome=Outcome.SCORED, tests=self.tests),)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        self.seen.append(mail)
        return (Verdict(by="rules", outcome=Outcome.SCORED, tests=self.tests),)


class House:
    """The stage under test, its two rooms, and the spool."""

    def __init__(self, spool: Spool, clock: FakeClock, **node: Any) -> None:
        self.spool = spool
        self.clock = clock
        self.engines = Engines()
        self.filters = Tests()
        self.offered: list[MessageId] = []
        self.free: set[str] = set()  # recipients whose delivery would start at once
        self.judging = JudgingStage(
            spool=spool,
            scanner=self.engines,
            filters=self.filters,
            settings=settings(waiting_retry_s=RETRY_S, **node),
            clock=clock,
            judged=self.offered.append,
            starts_at_once=lambda address: address in self.free,
            on_done=lambda: None,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Let the stage run as it does in a shard."""
        listen(self.spool, received=self.judging.add)
        run = asyncio.create_task(self.judging.run())
        try:
            yield
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)

    async def prefer(self, *documents: Document, revision: int = 1) -> None:
        wanted = preferences(*documents, revision=revision)
        await self.spool.apply_preferences(
            list(documents), position=at(revision), digest=wanted.digest, snapshot=True
        )

    def has_scanned(self, count: int) -> bool:
        return len(self.engines.seen) == count

    def recipients(self, message: MessageId) -> dict[str, Recipient]:
        stored = self.spool.message(message)
        return {one.address: one for one in stored.recipients} if stored is not None else {}

    def states(self, message: MessageId) -> set[State]:
        return {one.state for one in self.recipients(message).values()}

    def head(self, message: MessageId, address: str) -> str:
        stored = self.spool.message(message)
        assert stored is not None
        copy = stored.copies[self.recipients(message)[address].copy]
        return copy.head.decode().replace("\r\n ", " ")

    def records(self, event: Event, message: MessageId) -> list[dict[str, Any]]:
        return [
            json.loads(record.fields)
            for record in self.spool.records(after=0, limit=1000)
            if record.event == event and record.message_id == message
        ]


@pytest.fixture
async def house(spool: Spool, clock: FakeClock) -> House:
    made = House(spool, clock)
    await made.prefer(route("acme.example"))
    return made


def policy(scope: str = "cluster", /, **keys: Any) -> Document:
    return document(Kind.POLICY, scope, **keys)


# ---- each recipient has an end of its own


async def test_two_recipients_end_differently_each_copy_with_its_own_headers(
    house: House,
) -> None:
    tagging = policy("recipient/y@acme.example", subject_tag="[SPAM]", **{"score.mark": 4.0})
    await house.prefer(route("acme.example"), tagging)
    message = await accept(house.spool, "x@acme.example", "y@acme.example", "z@acme.example")
    house.filters.tests = (
        Test(name="WORD", score=4.5, detail="subject"),
        Test(
            name="LIST_BLACK",
            recipient="z@acme.example",
            effect=Effect.BLOCK,
            detail="black recipient/z@acme.example .example",
        ),
    )

    await house.judging.judge(message)

    found = house.recipients(message)
    assert {address: one.state for address, one in found.items()} == {
        "x@acme.example": State.QUEUED,
        "y@acme.example": State.QUEUED,
        "z@acme.example": State.QUARANTINED,
    }
    x, y, z = (house.head(message, address) for address in found)
    assert x.startswith(TRACE.decode())
    assert "disposition=deliver" in x
    assert "X-BorderScout-Spam: no; score=4.5 required=5.0; tests=WORD:4.5\r\n" in x
    assert "X-BorderScout-Spam: yes; score=4.5 required=4.0; tests=WORD:4.5\r\n" in y
    assert "Subject: [SPAM] hi" in y
    assert "[SPAM]" not in x
    assert "disposition=quarantine" in z
    assert "LIST_BLACK" not in x + y, "what one recipient's list says shows in no other's copy"
    assert house.offered == [message]


async def test_recipients_with_the_same_headers_share_one_copy(house: House) -> None:
    message = await accept(house.spool, "x@acme.example", "y@acme.example")

    await house.judging.judge(message)

    stored = house.spool.message(message)
    assert stored is not None
    assert len(stored.copies) == 1


async def test_mail_that_nobody_gets_is_not_offered_for_delivery(house: House) -> None:
    message = await accept(house.spool)
    house.engines.verdicts = (INFECTED,)

    await house.judging.judge(message)

    assert house.states(message) == {State.QUARANTINED}
    assert house.offered == []


@pytest.mark.parametrize("body", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
async def test_the_rooms_are_shown_the_octets_and_the_envelope(house: House, body: bytes) -> None:
    message = await accept(house.spool, "x@acme.example", body=body)

    await house.judging.judge(message)

    assert house.engines.seen == [(message, body)]
    (mail,) = house.filters.seen
    assert mail.envelope.recipients == ("x@acme.example",)
    assert mail.size == len(body)
    assert mail.now_us == house.clock.now_us()
    assert mail.preferences is house.spool.preferences
    assert house.states(message) == {State.QUEUED}


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
    house: House, verdict: Verdict, tests: tuple[Test, ...], said: str, filed: str
) -> None:
    message = await accept(house.spool)
    house.engines.verdicts, house.filters.tests = (verdict,), tests

    await house.judging.judge(message)

    recipient = house.recipients(message)["x@acme.example"]
    assert recipient.decided == recipient.reason == said
    (judged,) = house.records(Event.JUDGED, message)
    assert judged["recipients"][0]["reason"] == said
    assert judged["quarantine_reason"] == filed
    assert judged["quarantine_detail"] == said
    (upload,) = house.spool.uploads(limit=10)
    assert (upload.reason, upload.detail) == (filed, said)


async def test_clean_mail_says_why_it_is_delivered_and_by_whose_policy(house: House) -> None:
    await house.prefer(route("acme.example"), policy("customer/acme", **{"score.mark": 7.0}))
    message = await accept(house.spool)

    await house.judging.judge(message)

    recipient = house.recipients(message)["x@acme.example"]
    assert recipient.decided == "clean: score 0.0; policy score.mark=7.0 (customer/acme)"


@pytest.mark.parametrize(
    ("engine", "tests", "suspects"),
    [
        (CLEAN, (), set()),
        (CLEAN, (Test(name="WORD", score=4.5),), {"y@acme.example"}),  # who marks from 4.0 on
        (CLEAN, (Test(name="WORD", score=5.0),), {"x@acme.example", "y@acme.example"}),
        (INFECTED, (), {"x@acme.example", "y@acme.example"}),
    ],
)
async def test_the_spool_keeps_of_delivered_mail_that_it_was_judged_spam_or_virus(
    house: House, engine: Verdict, tests: tuple[Test, ...], suspects: set[str]
) -> None:
    marking = policy("cluster", virus="mark")
    sensitive = policy("recipient/y@acme.example", **{"score.mark": 4.0})
    await house.prefer(route("acme.example"), marking, sensitive)
    house.engines.verdicts = (engine,)
    house.filters.tests = tests
    message = await accept(house.spool, "x@acme.example", "y@acme.example")

    await house.judging.judge(message)

    found = house.recipients(message)
    assert {one.state for one in found.values()} == {State.QUEUED}
    assert {address for address, one in found.items() if one.suspect} == suspects


async def test_the_sending_mark_comes_with_the_judgement_where_delivery_starts_at_once(
    house: House,
) -> None:
    house.free = {"x@acme.example"}
    message = await accept(house.spool, "x@acme.example", "y@acme.example")

    await house.judging.judge(message)

    states = {name: one.state for name, one in house.recipients(message).items()}
    assert states == {"x@acme.example": State.SENDING, "y@acme.example": State.QUEUED}


async def test_every_verdict_stands_in_the_record_with_its_evidence(house: House) -> None:
    message = await accept(house.spool)
    house.engines.verdicts = (dataclasses.replace(CLEAN, detail="all read", attempt=2),)
    house.filters.tests = (Test(name="WORD", score=1.0, detail="subject holds x"),)

    await house.judging.judge(message)

    (scanned,) = house.records(Event.SCANNED, message)
    assert scanned["revision"] == 1
    assert scanned["score"] == 1.0
    assert (scanned["subject"], scanned["message_id"]) == ("hi", "<1@sender.example>")
    engine, filters = scanned["verdicts"]
    assert engine == {
        "by": "yara",
        "outcome": "clean",
        "version": "1.0",
        "ms": 3,
        "detail": "all read",
        "threats": [],
        "attempt": 2,
        "tests": [],
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
    house: House, verdicts: tuple[Verdict, ...]
) -> None:
    message = await accept(house.spool)
    house.engines.verdicts = verdicts

    async with house.at_work():
        await house.judging.judge(message)

        assert house.states(message) == {State.WAITING}
        assert house.offered == []
        assert house.recipients(message)["x@acme.example"].reason.startswith("unavailable: yara")
        (waiting,) = house.records(Event.WAITING, message)
        assert waiting["reason"].startswith("unavailable: yara")
        assert [one["by"] for one in waiting["verdicts"]] == [*[v.by for v in verdicts], "rules"]


async def test_marked_for_silence_it_is_delivered_and_says_unavailable(house: House) -> None:
    await house.prefer(route("acme.example"), policy(unavailable="mark", subject_tag="[?]"))
    message = await accept(house.spool)
    house.engines.verdicts = (SILENT,)

    await house.judging.judge(message)

    assert house.states(message) == {State.QUEUED}
    head = house.head(message, "x@acme.example")
    assert "X-BorderScout-Virus: unavailable; yara=unavailable\r\n" in head
    assert "Subject: [?] hi" in head
    reason = house.recipients(message)["x@acme.example"].decided
    assert reason == "unavailable: yara no connection; policy unavailable=mark (cluster)"


async def test_quarantined_for_silence_it_is_told_so(house: House) -> None:
    await house.prefer(route("acme.example"), policy(unavailable="quarantine"))
    message = await accept(house.spool)
    house.engines.verdicts = (SILENT,)

    await house.judging.judge(message)

    (judged,) = house.records(Event.JUDGED, message)
    assert house.states(message) == {State.QUARANTINED}
    assert "unavailable: yara no connection" in judged["quarantine_detail"]


async def test_an_engine_that_need_not_answer_holds_nothing_up_and_is_seen(house: House) -> None:
    await house.prefer(route("acme.example"), document(Kind.ENGINE, "yara", required=False))
    message = await accept(house.spool)
    house.engines.verdicts = (SILENT,)

    await house.judging.judge(message)

    assert house.states(message) == {State.QUEUED}
    head = house.head(message, "x@acme.example")
    assert "X-BorderScout-Virus: unavailable; yara=unavailable\r\n" in head


async def test_a_threat_decides_whatever_another_engine_may_still_say(
    spool: Spool, clock: FakeClock
) -> None:
    two = [{"name": "yara", "kind": "yara"}, {"name": "clamav", "kind": "clamd"}]
    house = House(spool, clock, engines=two)
    message = await accept(spool)
    house.engines.verdicts = (INFECTED,)  # clamav: no record at all

    await house.judging.judge(message)

    assert house.states(message) == {State.QUARANTINED}


# ---- waiting


async def test_waiting_mail_is_tried_again_with_a_growing_wait_and_judged_in_the_end(
    house: House,
) -> None:
    house.engines.verdicts = (SILENT,)
    async with house.at_work():
        message = await accept(house.spool)
        await until(lambda: house.states(message) == {State.WAITING}, "it waits")
        for tries in range(1, 4):
            await until(lambda: house.clock.sleepers == 1, "it waits for its time")
            waits = house.records(Event.WAITING, message)
            assert len(house.engines.seen) == len(waits) == tries
            next_us = waits[-1]["next_us"]
            assert next_us == house.clock.now_us() + RETRY_S * tries * 1e6
            assert house.recipients(message)["x@acme.example"].next_us == next_us
            await house.clock.advance(RETRY_S * tries - 1)
            assert len(house.engines.seen) == tries, "not before its time"
            if tries == 3:
                house.engines.verdicts = (CLEAN,)
            await house.clock.advance(1)
            await until(partial(house.has_scanned, tries + 1), "another scan")

        await until(lambda: house.offered == [message], "it is judged")
        assert house.states(message) == {State.QUEUED}


async def test_a_wait_grows_no_further_than_its_limit(house: House) -> None:
    house.engines.verdicts = (SILENT,)
    message = await accept(house.spool)
    async with house.at_work():
        for _ in range(WAIT_GROWTH_MAX + 3):
            await house.judging.judge(message)

        waits = [one["next_us"] for one in house.records(Event.WAITING, message)]
    longest_us = house.clock.now_us() + RETRY_S * WAIT_GROWTH_MAX * 1e6
    assert waits[-4:] == [longest_us] * 4
    assert waits[-5] < longest_us


async def test_what_has_waited_for_the_hold_days_is_quarantined_and_says_so(house: House) -> None:
    await house.prefer(route("acme.example", hold_days=2))
    house.engines.verdicts = (SILENT,)
    message = await accept(house.spool)
    async with house.at_work():
        await house.clock.advance(2 * DAY_S)
        await house.judging.judge(message)
        assert house.states(message) == {State.WAITING}, "never early"

        await house.clock.advance(1)
        await house.judging.judge(message)

    assert house.states(message) == {State.QUARANTINED}
    (judged,) = house.records(Event.JUDGED, message)
    assert judged["quarantine_reason"] == "waited"
    assert "waited: yara no connection for all the hold days" in judged["quarantine_detail"]


async def test_the_hold_days_are_not_counted_by_a_wall_clock_that_jumps(house: House) -> None:
    house.engines.verdicts = (SILENT,)
    message = await accept(house.spool)
    async with house.at_work():
        house.clock.jump(365 * DAY_S)
        await house.judging.judge(message)

        assert house.states(message) == {State.WAITING}


async def test_a_restart_under_a_clock_that_was_set_back_does_not_wait_for_years(
    open_spool: OpenSpool, clock: FakeClock
) -> None:
    house = House(await open_spool(), clock)
    house.engines.verdicts = (SILENT,)
    message = await accept(house.spool)
    async with house.at_work():
        await house.judging.judge(message)
    clock.jump(-365 * DAY_S)
    again = House(await open_spool(), clock)

    async with again.at_work():
        for waiting, due_us in again.spool.backlog.scan:
            again.judging.add(waiting, due_us)
        await clock.settle()
        await clock.advance(RETRY_S * WAIT_GROWTH_MAX)
        await until(lambda: again.states(message) == {State.QUEUED}, "it is judged")


# ---- trouble


@pytest.mark.parametrize("harm", ["shorter", "gone"])
async def test_mail_whose_body_is_damaged_is_set_aside_and_told(
    house: House, tmp_path: Path, harm: str
) -> None:
    message = await accept(house.spool, body=LARGE)
    path = tmp_path / "shard-0" / "bodies" / message
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(LARGE[:-1])

    await house.judging.judge(message)

    assert house.states(message) == {State.DAMAGED}
    (damaged,) = house.records(Event.DAMAGED, message)
    assert message in damaged["reason"]
    assert house.engines.seen == []
    assert house.offered == []


async def test_no_engine_is_shown_a_body_that_a_stop_has_changed(
    open_spool: OpenSpool, clock: FakeClock, tmp_path: Path
) -> None:
    body = LARGE + bytes(HEADER_BYTES_MAX)  # the header alone does not show it
    message = await accept(await open_spool(), body=body)
    path = tmp_path / "shard-0" / "bodies" / message
    path.write_bytes(body[:-1] + b"\x01")
    house = House(await open_spool(), clock)

    await house.judging.judge(message)

    assert house.states(message) == {State.DAMAGED}
    assert house.engines.seen == []


async def test_a_repeat_is_harmless(house: House) -> None:
    message = await accept(house.spool, "x@acme.example", "y@acme.example")
    await house.judging.judge(message)

    await house.judging.judge(message)
    await house.judging.judge(MessageId("01ARZ3NDEKTSV4RRFFQ69G5FAV"))

    assert len(house.engines.seen) == 1
    assert len(house.records(Event.JUDGED, message)) == 1
    assert house.offered == [message]


async def test_a_room_that_raises_does_not_lose_the_message(house: House) -> None:
    house.engines.failures = [RuntimeError("a defect"), OSError("another")]
    async with house.at_work():
        message = await accept(house.spool)
        for tries in (1, 2):
            await until(partial(house.has_scanned, tries), "a scan")
            await house.clock.settle()
            assert house.states(message) == {State.RECEIVED}
            await until(lambda: house.clock.sleepers >= 1, "it is to be tried again")
            await house.clock.advance(RETRY_S + 1)

        await until(lambda: house.offered == [message], "it is judged")
        assert house.states(message) == {State.QUEUED}


async def test_a_spool_that_cannot_write_does_not_lose_the_message(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = house.spool.judge
    refused: list[MessageId] = []

    async def refuse_once(message: MessageId, judgement: Any, **more: Any) -> None:
        if not refused:
            refused.append(message)
            raise EnvironmentFailure("the spool's disk is full")
        await judge(message, judgement, **more)

    monkeypatch.setattr(house.spool, "judge", refuse_once)
    async with house.at_work():
        message = await accept(house.spool)
        await until(lambda: refused == [message], "the first judgement")
        await house.clock.settle()
        assert house.states(message) == {State.RECEIVED}
        await house.clock.advance(RETRY_S + 1)
        await until(lambda: house.states(message) == {State.QUEUED}, "it is judged")


async def test_one_message_that_fails_holds_up_no_other(house: House) -> None:
    house.engines.failures = [RuntimeError("a defect")]
    async with house.at_work():
        await accept(house.spool)
        await until(lambda: not house.engines.failures, "the first has failed")
        other = await accept(house.spool)

        await until(lambda: house.states(other) == {State.QUEUED}, "the other is judged")


async def test_what_a_restart_finds_is_judged(open_spool: OpenSpool, clock: FakeClock) -> None:
    message = await accept(await open_spool())
    house = House(await open_spool(), clock)

    async with house.at_work():
        for found, due_us in house.spool.backlog.scan:
            house.judging.add(found, due_us)
        await until(lambda: house.states(message) == {State.QUEUED}, "it is judged")


# ---- postmaster


async def test_postmaster_mail_that_nobody_reads_goes_to_the_quarantine(house: House) -> None:
    message = await accept(house.spool, "PostMaster@mx.scout.example")

    await house.judging.judge(message)

    (judged,) = house.records(Event.JUDGED, message)
    assert house.states(message) == {State.QUARANTINED}
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
    house = House(spool, clock, postmaster=reader)
    await house.prefer(route("acme.example"))
    message = await accept(spool, address)

    await house.judging.judge(message)

    assert house.states(message) == {State.QUEUED}


# ---- P6, G2: one revision judges one message


async def test_a_message_is_judged_by_the_revision_that_was_applied_when_its_scan_began(
    house: House,
) -> None:
    await house.prefer(route("acme.example"), policy("cluster", **{"score.mark": 4.0}), revision=7)
    message = await accept(house.spool)
    house.filters.tests = (Test(name="WORD", score=4.5),)

    async def changed() -> None:
        stricter = policy(
            "cluster", subject_tag="[NEW]", **{"score.mark": 1.0, "score.quarantine": 2.0}
        )
        await house.prefer(route("acme.example"), stricter, revision=8)

    house.engines.meanwhile = changed
    await house.judging.judge(message)

    assert house.spool.preferences.position.revision == 8
    assert house.states(message) == {State.QUEUED}
    head = house.head(message, "x@acme.example")
    assert "revision=7;" in head
    assert "score=4.5 required=4.0" in head
    assert "[NEW]" not in head
    stored = house.spool.message(message)
    assert stored is not None
    assert stored.revision == 7
    (scanned,) = house.records(Event.SCANNED, message)
    assert scanned["revision"] == 7
    assert "policy score.mark=4.0" in house.recipients(message)["x@acme.example"].decided
    assert house.filters.seen[0].preferences.position.revision == 7


async def test_what_waits_is_judged_by_the_revision_of_its_last_scan(house: House) -> None:
    house.engines.verdicts = (SILENT,)
    message = await accept(house.spool)
    async with house.at_work():
        await house.judging.judge(message)
        await house.prefer(route("acme.example"), policy(unavailable="mark"), revision=9)

        await house.judging.judge(message)

    assert house.states(message) == {State.QUEUED}
    assert "revision=9;" in house.head(message, "x@acme.example")


async def test_filters_that_never_wait_are_asked_without_a_task(house: House) -> None:
    house.filters.waits = False
    house.filters.tests = (Test(name="RULE_X", score=1.0),)
    message = await accept(house.spool)

    await house.judging.judge(message)

    assert house.states(message) == {State.QUEUED}
    assert len(house.filters.seen) == 1


async def test_a_message_is_not_read_again_on_its_way_through(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.free = {"x@acme.example"}
    reads: list[str] = []
    select = house.spool._select

    def counted(sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        reads.append(sql)
        return select(sql, values)

    monkeypatch.setattr(house.spool, "_select", counted)
    message = await accept(house.spool)

    await house.judging.judge(message)
    stored = house.spool.message(message)

    assert stored is not None
    assert stored.recipients[0].state is State.SENDING
    with house.spool.open_body(stored) as body:
        assert body.read(0, 1000) == SMALL
    assert reads == []


async def test_mail_in_which_nothing_was_found_is_judged_by_each_recipients_present_policy(
    house: House,
) -> None:
    heads = []
    for revision, threshold in ((7, 4.0), (8, 3.0)):
        own = policy("recipient/y@acme.example", **{"score.mark": threshold})
        await house.prefer(route("acme.example"), own, revision=revision)
        message = await accept(house.spool, "x@acme.example", "y@acme.example")
        await house.judging.judge(message)
        heads += [house.head(message, f"{name}@acme.example") for name in "xy"]

    required = [head.partition(" required=")[2].partition(";")[0] for head in heads]
    assert required == ["5.0", "4.0", "5.0", "3.0"]


async def test_what_is_found_counts_after_much_mail_in_which_nothing_was(house: House) -> None:
    for _ in range(3):
        await house.judging.judge(await accept(house.spool))
    message = await accept(house.spool)
    house.filters.tests = (Test(name="LIST_BLACK", effect=Effect.BLOCK, detail="black"),)

    await house.judging.judge(message)

    assert house.states(message) == {State.QUARANTINED}
