"""The spool keeps what it was given, moves it by the table only, and tells of each step."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from common import wire
from common.errors import EnvironmentFailure
from common.ids import MessageId
from common.link import Batch
from common.preferences import (
    Document,
    DocumentRefused,
    Epoch,
    Kind,
    Position,
    Preferences,
    documents,
)
from common.preferences.bodies import Body
from common.preferences.documents import parse_body
from common.records import FIELDS_BYTES_MAX, Event
from common.states import State
from common.verdict import Outcome, Verdict
from satellite.spool.disk.bodies import BodyDamaged
from satellite.spool.intake import disk_failure
from satellite.spool.model.messages import (
    Copy,
    Disposition,
    Judged,
    Judgement,
    NewMessage,
    Origin,
    Settled,
    UploadsSetAside,
)
from satellite.spool.model.states import IllegalTransition
from satellite.spool.store import DigestMismatch, Spool
from tests.support.clock import FakeClock
from tests.support.spool.open_spool import OpenSpool, accept, envelope, to_deliver

COPY = Copy(head=b"X-BorderScout: id=1\r\n")
DAY_S = 86_400.0
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * 10_000


def judgement(*dispositions: Disposition) -> Judgement:
    return Judgement(
        revision=7,
        subject="hi",
        message_id_header="<1@sender.example>",
        recipients=tuple(
            Judged(number=number, disposition=disposition, reason="because", copy=COPY)
            for number, disposition in enumerate(dispositions)
        ),
        verdicts=(Verdict(by="yara", outcome=Outcome.CLEAN),),
        score=0.5,
        quarantine_reason="virus" if Disposition.QUARANTINE in dispositions else "",
    )


def events(spool: Spool) -> list[str]:
    return [record.event for record in spool.records(after=0, limit=1000)]


def states(spool: Spool, message: MessageId) -> list[State]:
    stored = spool.message(message)
    return [recipient.state for recipient in stored.recipients] if stored else []


@pytest.mark.parametrize("body", [b"Subject: hi\r\n\r\nhello\r\n", LARGE, b""])
async def test_what_was_committed_is_there_after_a_restart(
    open_spool: OpenSpool, body: bytes
) -> None:
    message = await accept(await open_spool(), body=body)

    spool = await open_spool()

    stored = spool.message(message)
    assert stored is not None
    assert stored.sha256 == hashlib.sha256(body).digest()
    assert stored.envelope == envelope()
    with spool.open_body(stored) as found:
        assert found.read(0, len(body) + 1) == body
        assert found.read(5, 7) == body[5:12]
    assert spool.backlog.scan == [(message, 0)]


async def test_an_abandoned_entry_leaves_nothing(spool: Spool, spool_folder: Path) -> None:
    entry = spool.begin()
    entry.write(LARGE)
    entry.abandon()

    assert spool.message(entry.id) is None
    assert not any((spool_folder / "bodies").iterdir())
    assert events(spool) == []


async def test_abandoning_after_the_commit_keeps_the_message(spool: Spool) -> None:
    entry = spool.begin()
    entry.write(LARGE)
    await entry.commit(envelope=envelope(), trace=b"")
    entry.abandon()

    stored = spool.message(entry.id)
    assert stored is not None
    with spool.open_body(stored) as body:
        assert body.read(0, 10) == LARGE[:10]


async def test_a_message_goes_its_way_and_is_forgotten_when_all_has_ended(
    spool: Spool, spool_folder: Path
) -> None:
    message = await accept(spool, "x@acme.example", "y@acme.example", body=LARGE)
    await spool.judge(message, judgement(Disposition.DELIVER, Disposition.DROP))
    await spool.mark_sending(message, [0])
    assert spool.counts()[State.SENDING] == 1

    await spool.settle(
        message, [Settled(number=0, state=State.DELIVERED, reason="250", reply="250 ok")]
    )

    assert spool.message(message) is None
    assert not any((spool_folder / "bodies").iterdir())
    assert sum(spool.counts().values()) == 0
    assert events(spool) == ["accepted", "scanned", "judged", "ended", "ended"]
    last = json.loads(spool.records(after=4, limit=1)[0].fields)["recipients"]
    assert last == [
        {
            "address": "x@acme.example",
            "reason": "because",
            "reply": "250 ok",
            "attempts": 1,
            "outcome": "delivered",
        }
    ]


async def test_records_are_numbered_without_holes_over_a_restart(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    await accept(spool)
    await spool.acknowledge_records(1)
    spool = await open_spool()
    await accept(spool)

    assert [record.sequence for record in spool.records(after=0, limit=9)] == [2]


async def test_a_dot_may_not_have_left_without_its_mark(spool: Spool) -> None:
    message = await accept(spool)
    await spool.judge(message, judgement(Disposition.DELIVER))

    with pytest.raises(IllegalTransition):
        await spool.settle(message, [Settled(number=0, state=State.DELIVERED, reason="250")])

    assert states(spool, message) == [State.QUEUED]
    assert events(spool) == ["accepted", "scanned", "judged"]


async def test_an_outcome_is_final(spool: Spool) -> None:
    message = await accept(spool, "x@acme.example", "y@acme.example", body=b"x")
    await spool.judge(message, judgement(Disposition.DELIVER, Disposition.DELIVER))
    bounced = Settled(number=0, state=State.BOUNCED, reason="550")
    await spool.settle(message, [bounced])

    with pytest.raises(IllegalTransition):
        await spool.settle(message, [bounced])


async def test_one_refused_step_does_not_take_others_with_it(spool: Spool) -> None:
    message = await accept(spool)
    await spool.judge(message, judgement(Disposition.DELIVER))
    wrong = spool.settle(message, [Settled(number=0, state=State.DELIVERED, reason="250")])
    results = await asyncio.gather(wrong, accept(spool), return_exceptions=True)

    assert isinstance(results[0], IllegalTransition)
    assert isinstance(results[1], str)
    assert spool.message(MessageId(results[1])) is not None


async def test_every_one_of_very_many_recipients_has_its_outcome_in_a_record(spool: Spool) -> None:
    people = [f"{'x' * 60}{number}@{'y' * 60}.acme.example" for number in range(1000)]
    message = await accept(spool, *people, body=b"x")
    dropped = tuple(
        Judged(number=n, disposition=Disposition.DROP, reason="r" * 200, copy=COPY)
        for n in range(len(people))
    )
    await spool.judge(message, replace(judgement(), recipients=dropped))

    records = spool.records(after=0, limit=1000)
    for event, key in (("accepted", None), ("judged", "address"), ("ended", "address")):
        named = [
            one if key is None else one[key]
            for record in records
            if record.event == event
            for one in json.loads(record.fields)["recipients"]
        ]
        assert named == people
    assert max(len(record.fields) for record in records) <= FIELDS_BYTES_MAX


async def test_recovery_counts_a_marked_message_as_possibly_delivered(
    open_spool: OpenSpool,
) -> None:
    spool = await open_spool()
    message = await accept(spool)
    await spool.judge(message, judgement(Disposition.DELIVER))
    await spool.mark_sending(message, [0])

    spool = await open_spool()

    assert states(spool, message) == [State.DEFERRED]
    assert to_deliver(spool) == [message]
    assert events(spool)[-1] == Event.POSSIBLY_DELIVERED


async def test_quarantined_mail_stays_until_the_core_has_it(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    message = await accept(spool, body=LARGE)
    await spool.judge(message, judgement(Disposition.QUARANTINE))

    spool = await open_spool()
    (upload,) = spool.uploads(limit=10)
    assert upload.recipients == ("x@acme.example",)
    assert upload.reason == "virus"
    with spool.open_body(upload.message) as body:
        assert body.read(0, len(LARGE)) == LARGE
    await spool.upload_taken(message)

    assert spool.uploads(limit=10) == []
    assert spool.message(message) is None


async def test_what_the_core_does_not_take_is_passed_over_until_the_next_start(
    open_spool: OpenSpool,
) -> None:
    spool = await open_spool()
    first, second = [await accept(spool) for _ in range(2)]
    for message in (first, second):
        await spool.judge(message, judgement(Disposition.QUARANTINE))

    await spool.set_upload_aside(first, "too large\N{CARRIAGE RETURN}")

    assert [upload.message.id for upload in spool.uploads(limit=10)] == [second]
    assert spool.set_aside() == UploadsSetAside(1, first, "too large\N{CARRIAGE RETURN}")
    assert spool.backlog_sizes()[1] == 2
    assert states(spool, first) == [State.QUARANTINED], "nothing of it is gone"

    spool = await open_spool()

    assert spool.set_aside() is None
    assert {upload.message.id for upload in spool.uploads(limit=10)} == {first, second}


async def test_many_that_were_set_aside_cost_the_next_listing_nothing(
    open_spool: OpenSpool,
) -> None:
    spool = await open_spool()
    with closing(sqlite3.connect(spool.folder / "spool.db")) as connection:
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT id FROM message WHERE quarantined_us>0 AND set_aside=''"
            " ORDER BY quarantined_us, id LIMIT 8"
        ).fetchall()

    assert [row[3] for row in plan] == ["SEARCH message USING INDEX upload (quarantined_us>?)"]


async def test_a_missing_body_file_is_damage_and_the_rest_goes_on(
    open_spool: OpenSpool, spool_folder: Path
) -> None:
    spool = await open_spool()
    damaged = await accept(spool, body=LARGE)
    whole = await accept(spool, body=LARGE)
    (spool_folder / "bodies" / damaged).unlink()
    (spool_folder / "bodies" / "01ARZ3NDEKTSV4RRFFQ69G5FAV.part").write_bytes(b"left by a crash")

    spool = await open_spool()

    assert states(spool, damaged) == [State.DAMAGED]
    assert [message for message, _ in spool.backlog.scan] == [whole]
    assert {entry.name for entry in (spool_folder / "bodies").iterdir()} == {whole}
    stored = spool.message(damaged)
    assert stored is not None
    with pytest.raises(BodyDamaged):
        spool.open_body(stored)


async def test_a_bounce_is_written_with_the_failure_that_it_tells_of(spool: Spool) -> None:
    message = await accept(spool)
    await spool.judge(message, judgement(Disposition.DELIVER))
    bounce = NewMessage(
        id=MessageId("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        origin=Origin.BOUNCE,
        envelope=envelope("a@sender.example", sender=""),
        body=b"Subject: failed\r\n\r\n",
        copy=Copy(head=b""),
    )

    await spool.settle(
        message, [Settled(number=0, state=State.BOUNCED, reason="550")], bounces=[bounce]
    )

    assert spool.message(message) is None
    assert states(spool, bounce.id) == [State.QUEUED]
    assert events(spool)[-2:] == ["accepted", "bounce_made"]


async def test_a_release_is_taken_once(spool: Spool) -> None:
    async def take() -> MessageId:
        entry = spool.begin()
        entry.write(b"Subject: hi\r\n\r\n")
        await entry.commit_release(
            release_id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
            envelope=envelope(),
            copy=COPY,
            subject="hi",
            released_from="01BX5ZZKBKACTAV9WEVGEMMVRZ",
            suspect=False,
        )
        return entry.id

    message = await take()

    with pytest.raises(IllegalTransition):
        await take()
    assert spool.release_is_known("01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert states(spool, message) == [State.QUEUED]
    assert events(spool) == ["accepted", "released"]


async def test_a_waiting_message_is_scanned_again_after_a_restart(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    message = await accept(spool)
    await spool.wait(message, next_us=5, reason="clamav unavailable", verdicts=[])

    spool = await open_spool()

    assert states(spool, message) == [State.WAITING]
    assert spool.backlog.scan == [(message, 5)]


async def test_a_frozen_message_is_left_alone_until_it_is_resumed(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    message = await accept(spool)
    await spool.judge(message, judgement(Disposition.DELIVER))
    await spool.freeze(message, "an operator asked")
    spool = await open_spool()
    assert to_deliver(spool) == []

    await spool.resume(message)

    assert states(spool, message) == [State.DEFERRED]


async def test_seven_days_count_running_time_and_one_hour_of_a_stop(
    tmp_path: Path, clock: FakeClock
) -> None:
    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)
    await clock.advance(100.0)
    clock.jump(9 * DAY_S)  # somebody set the clock
    assert spool.age_us() == 100_000_000
    await spool.close()

    clock.jump(3 * DAY_S)  # a stop of three days
    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)

    assert spool.age_us() == 100_000_000 + 3_600_000_000
    await spool.close()


def _route(domain: str) -> Document:
    return Document(
        "route", domain, 1, b'{"customer":"acme","deliver_to":["mail.acme.example:25"]}'
    )


async def test_a_revision_is_applied_whole_or_not_at_all(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    position = Position(Epoch(1, "e"), 1)
    good = Preferences.from_documents([_route("acme.example")], position=position)
    await spool.apply_preferences(
        [_route("acme.example")], position=position, digest=good.digest, snapshot=True
    )
    later = Position(Epoch(1, "e"), 2)
    bad = Document("rule", "r", 2, b'{"field":"subject","pattern":"(","score":1}')

    with pytest.raises(DocumentRefused):
        await spool.apply_preferences(
            [_route("other.example"), bad], position=later, digest=b"", snapshot=False
        )
    with pytest.raises(DigestMismatch):
        await spool.apply_preferences(
            [_route("other.example")], position=later, digest=bytes(32), snapshot=False
        )

    spool = await open_spool()
    assert spool.preferences.position == position
    assert spool.preferences.digest == good.digest
    assert spool.preferences.route("other.example") is None


async def test_a_document_is_read_once_on_its_way_from_the_wire_into_the_spool(
    open_spool: OpenSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = await open_spool()
    position = Position(Epoch(1, "e"), 1)
    digest = Preferences.from_documents([_route("acme.example")], position=position).digest
    read: list[bytes] = []

    def counted(kind: Kind, body: bytes) -> Body:
        read.append(body)
        return parse_body(kind, body)

    monkeypatch.setattr(documents, "parse_body", counted)
    batch = Batch(
        nonce="1",
        base=None,
        target=position,
        documents=(_route("acme.example"),),
        snapshot=True,
        last_part=True,
        digest=digest,
    )
    came = wire.preferences_response_from_wire(wire.preferences_response_to_wire(batch))
    assert isinstance(came, Batch)

    await spool.apply_preferences(came.documents, position=position, digest=digest, snapshot=True)

    assert read == [_route("acme.example").body]
    assert spool.preferences.route("acme.example") is not None


async def test_a_disk_below_its_reserve_refuses_with_the_reason(
    tmp_path: Path, clock: FakeClock
) -> None:
    spool = await Spool.open(
        tmp_path / "s", node="lon1", shard=0, clock=clock, reserve_bytes=1 << 60
    )
    reason = spool.refusal()
    await spool.close()

    assert reason is not None
    assert "reserved" in reason


async def test_a_folder_that_cannot_be_had_is_named_with_why(
    tmp_path: Path,
) -> None:
    (tmp_path / "bodies").write_text("no folder")

    with pytest.raises(EnvironmentFailure) as failed:
        await Spool.open(tmp_path, node="lon1", shard=0, clock=FakeClock())

    assert str(failed.value).startswith(f"the spool's disk failed at {tmp_path / 'bodies'}: ")


def test_missing_rights_are_no_fault_of_the_disk() -> None:
    failure = disk_failure(PermissionError(errno.EACCES, "Permission denied", "/s/shard-0/lock"))

    assert str(failure) == (
        "the spool's disk failed at /s/shard-0/lock: Permission denied;"
        " check who may read and write there"
    )
