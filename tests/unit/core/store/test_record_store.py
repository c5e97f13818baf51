"""Does each record count once, durably, whatever the stream does? (P2, P7)"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from common.chain import CHAIN_START, ChainPoint, extended
from common.errors import PeerError
from common.identity import IdentityRefused, LifeOrigin, ShardIdentity
from common.records import LogRecord
from core.records.intake import SequenceGap
from core.records.lives import LIVES_BURST, LIVES_WINDOW_US, Fenced, ForkedSpool, TooManyLives
from core.records.reports import ReportGroup
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rooms import (
    START_US,
    accepted,
    ended,
    identity,
    made_id,
    record,
    route,
    told_case,
)

LON, PAR = identity("lon1"), identity("par1")
A, B = made_id(501), made_id(502)


async def test_a_repeat_has_no_effect(store: Database) -> None:
    stream = [accepted(1, A), ended(2, A, "delivered")]

    assert await store.records.take(LON, stream) == 2
    assert await store.records.take(LON, stream) == 2
    assert await store.records.take(LON, [stream[1], accepted(3, B)]) == 3

    (message,) = await store.records.track(A)
    assert [e["event"] for e in message["events"]] == ["accepted", "ended"]
    assert message["recipients"][0]["attempts"] == 1


async def test_a_hole_is_refused_and_nothing_of_it_is_kept(store: Database) -> None:
    await store.records.take(LON, [record(1, "started")])

    with pytest.raises(SequenceGap) as caught:
        await store.records.take(LON, [record(2, "accepting"), accepted(4, A)])

    assert caught.value.expected == 3
    assert await store.records.last_sequence(LON) == 1
    assert await store.records.track(A) == []


async def test_positions_are_of_one_shard_in_one_life(store: Database) -> None:
    rebuilt = identity("lon1", life=2)
    other = identity("lon1", shard=1)
    for who in (LON, other, PAR, rebuilt):
        assert await store.records.last_sequence(who) == 0
        assert await store.records.take(who, [record(1, "started")]) == 1

    assert len(await store.records.node_events()) == 4


async def test_a_shards_older_life_is_fenced_off(store: Database) -> None:
    await store.records.take(LON, [record(1, "started")])
    await store.fleet.note_hello(identity("lon1", life=2), {"version": "2"})

    for attempt in (
        store.records.take(LON, [record(2, "stopped")]),
        store.records.last_sequence(LON),
        store.fleet.note_report(LON, {}),
    ):
        with pytest.raises(Fenced):
            await attempt

    (row,) = await store.fleet.shards()
    assert (row.incarnation, row.hello, row.report) == (made_id(2), {"version": "2"}, {})


async def test_the_later_life_is_the_one_that_was_heard_of_later_whatever_its_name(
    store: Database,
) -> None:
    thief, slow = identity(life=9_999), identity(life=0)
    await store.records.take(LON, [record(1, "started")])

    await store.fleet.note_hello(thief, {})  # a name of the far future burns nothing
    with pytest.raises(Fenced, match="spool renew"):
        await store.records.take(LON, [record(2, "stopped")])

    standing = await store.fleet.note_hello(slow, {})  # a disk that was built by a slow clock
    assert standing.number == 3
    assert await store.records.take(slow, [record(1, "started")]) == 1
    for former in (thief, LON):
        with pytest.raises(Fenced):
            await store.records.last_sequence(former)


async def test_a_node_begins_only_so_many_lives_and_others_are_not_held_up(
    store: Database, fake_clock: FakeClock
) -> None:
    for life in range(1, LIVES_BURST + 2):
        await store.fleet.note_hello(identity(life=life), {})

    with pytest.raises(TooManyLives):
        await store.fleet.note_hello(identity(life=100), {})
    assert (await store.fleet.note_hello(identity("par1", life=100), {})).number == 1
    assert await store.records.take(identity(life=LIVES_BURST + 1), [record(1, "started")]) == 1

    await fake_clock.advance(LIVES_WINDOW_US / 1e6 + 1)
    assert (await store.fleet.note_hello(identity(life=100), {})).number == LIVES_BURST + 2


async def test_a_copy_is_fenced_over_a_restart_and_until_there_is_another_life(
    store: Database,
) -> None:
    mine, copy = replace(LON, run=made_id(71)), replace(LON, run=made_id(72))
    await store.records.take(mine, [record(1, "started")])

    assert await store.fleet.note_fork(copy, "it is a copy")
    assert not await store.fleet.note_fork(copy, "it is a copy")

    assert await store.records.take(mine, [record(2, "stopped")]) == 2
    with pytest.raises(ForkedSpool, match="it is a copy"):
        await store.records.take(copy, [record(3, "stopped")])
    with pytest.raises(ForkedSpool):
        await store.cases.open_case(copy, told_case(A, b"x"))
    with pytest.raises(ForkedSpool):
        await store.releases.claim(copy, made_id(900))
    assert (await store.fleet.note_hello(copy, {})).fork_of(copy) is not None  # it may say so
    (row,) = await store.fleet.shards()
    assert [mark.why for mark in row.forks] == ["it is a copy"]

    renewed = replace(identity(life=2), run=copy.run)
    assert await store.records.take(renewed, [record(1, "started")]) == 1


async def test_the_chain_goes_on_from_batch_to_batch_and_a_fork_writes_nothing(
    store: Database,
) -> None:
    stream = [record(1, "started"), accepted(2, A), ended(3, A, "delivered")]
    other = [*stream[:2], ended(3, A, "bounced"), record(4, "stopped")]
    at = [ChainPoint(n, extended(CHAIN_START, stream[:n])) for n in range(4)]

    assert await store.records.take(LON, stream[:2], chain=at[2]) == 2
    assert await store.records.take(LON, stream, chain=at[3]) == 3  # two of them are repeats
    with pytest.raises(ForkedSpool):
        forked = ChainPoint(4, extended(CHAIN_START, other))
        await store.records.take(LON, other[2:], chain=forked)

    assert await store.records.position(LON) == at[3]
    (message,) = await store.records.track(A)
    assert message["recipients"][0]["state"] == "delivered"


async def test_numbers_that_another_spool_has_told_meanwhile_are_not_confirmed_to_this_one(
    store: Database,
) -> None:
    stream = [record(1, "started"), accepted(2, A), ended(3, A, "delivered")]
    other = [stream[0], accepted(2, B), ended(3, B, "delivered")]
    told = [
        [ChainPoint(n, extended(CHAIN_START, one[:n])) for n in range(4)] for one in (stream, other)
    ]
    await store.records.take(LON, stream, chain=told[0][3])

    with pytest.raises(ForkedSpool):
        await store.records.take(LON, other[1:], chain=told[1][3])
    with pytest.raises(PeerError, match="anew"):
        await store.records.take(LON, other[1:2], chain=told[1][2])

    assert await store.records.take(LON, stream[1:], chain=told[0][3]) == 3


async def test_a_version_without_a_chain_is_taken_and_one_with_it_goes_on_from_there(
    store: Database,
) -> None:
    stream = [record(n, "accepting") for n in (1, 2, 3)]
    await store.records.take(LON, stream[:1], chain=ChainPoint(1, bytes(range(16))))
    await store.records.take(LON, stream[1:2])
    assert await store.records.position(LON) == ChainPoint(2, b"")

    await store.records.take(LON, stream[2:], chain=ChainPoint(3, bytes(range(1, 17))))

    assert await store.records.position(LON) == ChainPoint(3, bytes(range(1, 17)))


async def test_what_a_life_carried_over_is_known_once(store: Database) -> None:
    sent = [accepted(7, A), record(8, "accepting"), accepted(9, B)]
    await store.records.take(LON, [record(n, "started") for n in range(1, 7)])
    await store.records.take(LON, sent)

    origin = LifeOrigin(former=LON.incarnation, carried=3)
    renewed = replace(identity(life=2), origin=origin)
    again = [replace(one, sequence=number) for number, one in enumerate(sent[1:], start=1)]
    fresh = [replace(accepted(9, B), sequence=3, time_us=1), ended(4, B, "delivered")]
    assert await store.records.take(renewed, [*again, *fresh]) == 4

    (message,) = await store.records.track(B)
    assert [one["event"] for one in message["events"]] == ["accepted", "accepted", "ended"]
    events = [one["event"] for one in await store.records.node_events()]
    assert events.count("accepting") == 1
    assert await store.records.take(renewed, [record(5, "accepting")]) == 5


@pytest.mark.parametrize(
    "who",
    [
        ShardIdentity("../etc", 0, made_id(1)),
        ShardIdentity("lon1", -1, made_id(1)),
        ShardIdentity("lon1", 0, "latest"),
    ],
)
async def test_who_is_no_shard_is_refused(store: Database, who: ShardIdentity) -> None:
    with pytest.raises(IdentityRefused):
        await store.records.take(who, [])


async def test_poison_is_kept_and_the_stream_goes_on(store: Database) -> None:
    poison = [
        LogRecord(1, START_US, "accepted", A, b"\xff\xfe"),
        LogRecord(2, START_US, "ended", A, b"[1]"),
        LogRecord(3, -(1 << 62), "weird\0event" * 50, "no/id\0", b"{}"),
        LogRecord(4, 1 << 62, "accepted", A, b'{"subject":"' + b"x" * 70_000 + b'"}'),
        LogRecord(5, START_US, "accepted", A, rb'{"subject":"\ud83d\u0000","size":1e300}'),
    ]

    assert await store.records.take(LON, [*poison, ended(6, A, "delivered")]) == 6

    (message,) = await store.records.track(A)
    json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    assert [e.get("flaw", "")[:20] for e in message["events"]] == [
        "the fields are not v",
        "the fields are no JS",
        "its fields are longe",
        "",
        "",
    ]
    assert message["recipients"][0]["state"] == "delivered"


async def test_a_stolen_satellite_cannot_speak_of_another_nodes_mail(store: Database) -> None:
    await store.records.take(LON, [accepted(1, A)])

    await store.records.take(PAR, [ended(1, A, "delivered"), accepted(2, A, ["evil@b.example"])])

    (message,) = await store.records.track(A)
    assert [(r["address"], r["state"]) for r in message["recipients"]] == [
        ("x@acme.example", "received")
    ]
    assert [e["event"] for e in message["events"]] == ["accepted"]


async def test_a_message_whose_first_record_is_lost_is_still_found(store: Database) -> None:
    await store.records.take(LON, [record(1, "gap"), ended(2, A, "delivered")])

    (message,) = await store.records.track("x@acme.example")

    assert message["id"] == A
    assert message["recipients"][0]["state"] == "delivered"


async def test_every_way_to_ask_finds_the_message(store: Database) -> None:
    await store.records.take(
        LON,
        [
            accepted(1, A, ["X@acme.example", "y@other.example"]),
            record(2, "scanned", A, revision=1, message_id="<1@sender.example>", subject="Hi"),
            accepted(3, B, ["z@third.example"], sender=""),
        ],
    )

    for query in (
        A,
        "<1@sender.example>",
        "x@acme.example",
        "A@Sender.example",
        "sender.example",
        "acme.example",
        "other.example",
    ):
        assert [m["id"] for m in await store.records.track(query)] == [A], query
    for query in ("nobody@acme.example", "none.example", made_id(999), "<2@x>", "'"):
        assert await store.records.track(query) == [], query


async def test_a_search_shows_the_newest_and_as_many_as_were_asked_for(store: Database) -> None:
    await store.records.take(
        LON, [accepted(n, made_id(600 + n), ["x@a.example", "y@a.example"]) for n in range(1, 9)]
    )

    found = await store.records.track("a.example", limit=3)

    assert [m["id"] for m in found] == [made_id(608), made_id(607), made_id(606)]


async def test_the_shape_of_a_search_is_the_promised_one(store: Database) -> None:
    verdict = {
        "by": "clamav",
        "outcome": "clean",
        "version": "1.4",
        "ms": 31,
        "detail": "",
        "threats": [],
    }
    await store.records.take(
        LON,
        [accepted(1, A), record(2, "scanned", A, revision=42, score=0, verdicts=[verdict])],
    )

    (message,) = await store.records.track(A)

    assert {
        "id",
        "message_id",
        "node",
        "shard",
        "received",
        "client",
        "sender",
        "subject",
        "size",
        "revision",
        "recipients",
        "scanned",
        "verdicts",
        "events",
    } <= message.keys()
    assert message["received"] == "2026-01-01T00:00:00.001000Z"
    assert message["recipients"][0].items() >= {
        ("address", "x@acme.example"),
        ("state", "scanned"),
        ("disposition", ""),
        ("reason", ""),
        ("attempts", 0),
        ("reply", ""),
    }
    assert message["scanned"] == "2026-01-01T00:00:00.002000Z"
    assert message["verdicts"] == [verdict | {"definitions": "", "definitions_us": 0}]
    assert message["events"][0]["time"] == "2026-01-01T00:00:00.001000Z"


async def test_mail_belongs_to_the_customer_that_the_route_names(store: Database) -> None:
    await store.preferences.publish([route("acme.example", "acme")], who="t")
    await store.records.take(LON, [accepted(1, A), accepted(2, B, ["x@unrouted.example"])])

    report = await store.records.report(ReportGroup.CUSTOMER, sites={})

    assert [(g["name"], g["accepted"]) for g in report["groups"]] == [("acme", 1), ("unknown", 1)]


async def test_a_report_adds_up(store: Database) -> None:
    infected = [{"by": "clamav", "outcome": "infected", "threats": ["Eicar"]}]
    await store.records.take(
        LON,
        [
            accepted(1, A, ["x@acme.example", "y@b.example"]),
            record(2, "scanned", A, verdicts=infected),
            ended(3, A, "quarantined"),
            accepted(4, B),
            ended(5, B, "delivered"),
        ],
    )
    await store.records.take(PAR, [accepted(1, made_id(503), origin="release")])

    report = await store.records.report(ReportGroup.SITE, sites={"lon1": "london"})

    totals = report["totals"]
    outcomes = ("delivered", "quarantined", "dropped", "rejected", "bounced", "expired")
    assert totals["accepted"] == sum(totals[o] for o in outcomes) + totals["in_progress"] == 3
    assert totals["released"] == 1
    assert report["threats"] == [{"name": "Eicar", "by": "clamav", "messages": 1}]
    assert report["senders"] == [{"sender": "a@sender.example", "messages": 2}]


async def test_a_report_counts_only_its_time(store: Database) -> None:
    await store.records.take(LON, [accepted(1, A), accepted(2, B)])
    times = {"since_us": START_US + 2_000, "until_us": START_US + 3_000}

    for by in ReportGroup:
        report = await store.records.report(by, sites={}, **times)
        assert report["totals"]["accepted"] == 1


async def test_six_shards_at_once_lose_nothing(store: Database) -> None:
    async def stream(shard: int) -> None:
        who = identity("lon1", shard)
        for n in range(20):
            message = made_id(1_000 * (shard + 1) + n)
            await store.records.take(
                who, [accepted(2 * n + 1, message), ended(2 * n + 2, message, "delivered")]
            )

    await asyncio.gather(*(stream(shard) for shard in range(6)))

    report = await store.records.report(ReportGroup.DAY, sites={})
    assert report["totals"]["delivered"] == 120


async def test_what_was_acknowledged_is_there_after_a_restart(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock) as store:
        acknowledged = await store.records.take(LON, [accepted(1, A), ended(2, A, "delivered")])
    async with await Database.open(path, clock=fake_clock) as store:
        assert await store.records.last_sequence(LON) == acknowledged == 2
        assert (await store.records.track(A))[0]["recipients"][0]["state"] == "delivered"


async def test_records_of_one_message_in_many_batches_come_to_the_same_as_in_one(
    store: Database,
) -> None:
    infected = [{"by": "clamav", "outcome": "infected", "threats": ["Eicar", "Other"]}]

    def told(sequence: int, message: str) -> list[LogRecord]:
        return [
            accepted(sequence, message, ["x@acme.example", "y@acme.example"]),
            record(sequence + 1, "waiting", message, reason="away", verdicts=infected),
            record(sequence + 2, "scanned", message, subject="Hi", message_id=f"<{message}>"),
            record(
                sequence + 3,
                "judged",
                message,
                quarantine_reason="virus",
                recipients=[{"address": "x@acme.example", "disposition": "quarantine"}],
            ),
            ended(sequence + 4, message, "quarantined"),
            ended(sequence + 5, message, "delivered", "y@acme.example"),
        ]

    await store.records.take(LON, told(1, A))
    for one in told(7, B):
        await store.records.take(LON, [one])

    (in_one,), (in_many,) = await store.records.track(A), await store.records.track(B)
    unlike = {"id", "message_id", "received", "scanned", "events", "recipients"}
    assert {k: v for k, v in in_one.items() if k not in unlike} == {
        k: v for k, v in in_many.items() if k not in unlike
    }
    for one, other in zip(in_one["recipients"], in_many["recipients"], strict=True):
        assert one | {"ended": ""} == other | {"ended": ""}
    assert (await store.records.report(ReportGroup.DAY, sites={}))["threats"] == []


async def test_a_first_record_that_comes_late_puts_its_copies_where_they_belong(
    store: Database,
) -> None:
    await store.records.take(LON, [ended(1, A, "delivered")])
    await store.records.take(LON, [accepted(2, A, origin="release")])

    report = await store.records.report(ReportGroup.DAY, sites={})

    assert (report["totals"]["accepted"], report["totals"]["released"]) == (0, 1)
