"""Does all that was kept for long enough go, in small steps, and nothing that is wanted?"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from common.identity import ShardIdentity
from common.records import LogRecord
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder, Partial
from core.custody.custody import Custody
from core.custody.release import Releases
from core.preferences.ledger import UnknownRevision
from core.quarantine.retention import DAY_US
from core.store import old_rows, retention, tables
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.full_store import Amounts, fill
from tests.support.core.rests import no_rest
from tests.support.core.rooms import (
    accepted,
    ended,
    identity,
    made_id,
    record,
    route,
    told_case,
)

DAY_S = 86_400.0
LON = identity("lon1")
A, B, C = made_id(501), made_id(502), made_id(503)


async def rows(store: Database, table: Any) -> int:
    return await store.retention._reader.run(
        lambda c: c.scalar(select(func.count()).select_from(table)) or 0
    )


async def sweep_records(store: Database, clock: FakeClock, *, days: int, unended: int = 999) -> int:
    now_us = clock.now_us()
    return await store.retention.records(
        before_us=now_us - days * DAY_US, unended_us=now_us - unended * DAY_US, rest=no_rest
    )


async def sweep_messages(
    store: Database, clock: FakeClock, *, days: int, unended: int = 999
) -> int:
    now_us = clock.now_us()
    return await store.retention.messages(
        before_us=now_us - days * DAY_US,
        future_us=now_us + DAY_US,
        unended_us=now_us - unended * DAY_US,
        rest=no_rest,
    )


def at(told: LogRecord, time_us: int) -> LogRecord:
    return LogRecord(told.sequence, time_us, told.event, told.message_id, told.fields)


async def test_records_go_by_our_clock_and_those_of_mail_under_way_stay(
    store: Database, fake_clock: FakeClock
) -> None:
    await store.records.take(
        LON,
        [
            record(1, "started"),
            accepted(2, A),
            at(accepted(3, B), 0),
            ended(4, A, "delivered"),
            at(accepted(5, C), fake_clock.now_us() + 99 * DAY_US),
            ended(6, C, "delivered"),
        ],
    )
    await fake_clock.advance(10 * DAY_S)
    await store.records.take(LON, [record(7, "stopped")])

    assert await sweep_records(store, fake_clock, days=10) == 0
    await fake_clock.advance(1.0)
    assert await sweep_records(store, fake_clock, days=10) == 5

    left = await store.records.track(B)
    assert [one["event"] for one in left[0]["events"]] == ["accepted"]
    assert [one["event"] for one in await store.records.node_events()] == ["stopped"]
    assert await sweep_records(store, fake_clock, days=10) == 0
    assert await sweep_records(store, fake_clock, days=10, unended=10) == 1
    # The position stands by itself: what goes does not come back by a repeat.
    assert await store.records.take(LON, [record(1, "started"), accepted(2, A)]) == 7
    assert await store.records.last_sequence(LON) == 7


async def test_messages_go_when_they_are_old_have_ended_and_no_record_is_left(
    store: Database, fake_clock: FakeClock
) -> None:
    infected = [{"by": "clamav", "outcome": "infected", "threats": ["Eicar"]}]
    future_us = fake_clock.now_us() + 9_999 * DAY_US
    await store.records.take(
        LON,
        [
            accepted(1, A),
            record(2, "scanned", A, verdicts=infected),
            ended(3, A, "dropped"),
            accepted(4, B),
            at(accepted(5, C), future_us),
            ended(6, C, "delivered"),
        ],
    )
    await fake_clock.advance(20 * DAY_S)

    assert await sweep_messages(store, fake_clock, days=10) == 0  # their records are there
    await sweep_records(store, fake_clock, days=15)
    assert await sweep_messages(store, fake_clock, days=30) == 1  # a clock that was wrong: C
    assert await sweep_messages(store, fake_clock, days=10) == 1

    assert [m["id"] for m in await store.records.track("x@acme.example")] == [B]
    for table in (tables.message, tables.recipient):
        assert await rows(store, table) == 1
    assert await rows(store, tables.threat) == 0
    await sweep_records(store, fake_clock, days=15, unended=15)
    assert await sweep_messages(store, fake_clock, days=10, unended=15) == 1
    assert await rows(store, tables.message) == 0


async def test_an_unended_message_stays_even_if_its_records_are_gone(
    store: Database, fake_clock: FakeClock
) -> None:
    await store.records.take(LON, [accepted(1, A)])
    await store.retention._writer.run(lambda c: c.execute(tables.log_record.delete()).rowcount)
    await fake_clock.advance(99 * DAY_S)

    assert await sweep_messages(store, fake_clock, days=10) == 0


async def test_a_lost_copy_goes_with_its_message_once_it_was_seen(
    store: Database, fake_clock: FakeClock
) -> None:
    await store.records.take(
        LON, [accepted(1, A), ended(2, A, "lost"), accepted(3, B), ended(4, B, "lost")]
    )
    copies = [
        {"message_id": one, "address": "x@acme.example", "customer": "", "was": "queued"}
        | {"node": "lon1", "shard": 0, "life": 2, "found_us": 1, "seen_us": seen, "seen_by": ""}
        for one, seen in ((A, 5), (B, 0))
    ]
    await store.retention._writer.run(
        lambda c: c.execute(tables.lost_copy.insert(), copies).rowcount
    )
    await fake_clock.advance(99 * DAY_S)
    await sweep_records(store, fake_clock, days=10, unended=10)

    assert await sweep_messages(store, fake_clock, days=10, unended=10) == 2
    assert await rows(store, tables.lost_copy) == 1


async def test_a_body_that_was_lost_has_as_long_to_come_again(
    store: Database, arrivals: Arrivals, fake_clock: FakeClock
) -> None:
    await hold(arrivals, made_id(1))
    await fake_clock.advance(30 * DAY_S)
    case = await store.cases.case(made_id(1))
    assert case is not None
    await store.cases.want_again([case], who="t")
    await store.fleet.note_hello(identity("lon1", life=2), {})

    async def gone() -> int:
        before_us = fake_clock.now_us() - 14 * DAY_US
        return await store.retention.dead_arrivals(before_us=before_us, rest=no_rest)

    assert await gone() == 0
    await fake_clock.advance(15 * DAY_S)
    assert await gone() == 1


async def test_refusals_go_with_their_records_and_before_them(
    store: Database, fake_clock: FakeClock
) -> None:
    told = {"client": "192.0.2.9", "recipients": ["y@acme.example"], "reason": "relay"}
    await store.records.take(LON, [record(1, "started"), record(2, "refused", **told)])
    await fake_clock.advance(5 * DAY_S)
    await store.records.take(LON, [record(3, "refused", **told)])
    before_us = fake_clock.now_us() - 4 * DAY_US

    assert await store.retention.refusals(before_us=before_us, rest=no_rest) == 1

    assert len(await store.records.refusals("192.0.2.9")) == 1
    assert len(await store.records.refusals("y@acme.example")) == 1
    assert await rows(store, tables.log_record) == 2
    assert await sweep_records(store, fake_clock, days=1) == 1
    await fake_clock.advance(2 * DAY_S)
    assert await sweep_records(store, fake_clock, days=1) == 1
    for table in (tables.refusal, tables.refused_address, tables.log_record):
        assert await rows(store, table) == 0


async def hold(arrivals: Arrivals, message_id: str) -> None:
    await arrivals.open_case(LON, told_case(message_id, b"evil"))
    await arrivals.append(LON, message_id, 0, b"evil")
    await arrivals.complete(LON, message_id)


async def test_only_cases_whose_bodies_are_deleted_go(
    store: Database,
    arrivals: Arrivals,
    custody: Custody,
    releases: Releases,
    fake_clock: FakeClock,
) -> None:
    for number in range(1, 5):
        await hold(arrivals, made_id(number))
    await releases.request(made_id(2), who="t")
    await custody.delete(made_id(3), who="t")
    await store.releases._writer.run(
        lambda c: c.execute(tables.quarantine_case.update().where(
            tables.quarantine_case.c.message_id == made_id(2)).values(state="deleted")).rowcount
    )  # fmt: skip
    await fake_clock.advance(9 * DAY_S)
    await custody.delete(made_id(4), who="t")
    before_us = fake_clock.now_us() - 8 * DAY_US

    assert await store.retention.cases(before_us=before_us - 2 * DAY_US, rest=no_rest) == 0
    assert await store.retention.cases(before_us=before_us, rest=no_rest) == 2

    # An open release keeps its case, whatever the case says.
    assert {case.message_id for case in await custody.cases()} == {made_id(1), made_id(2)}
    assert await rows(store, tables.case_recipient) == 2
    assert await rows(store, tables.release) == 1


async def test_what_never_arrived_goes_with_the_life_that_told_of_it(
    store: Database,
    arrivals: Arrivals,
    custody: Custody,
    bodies: BodyFolder,
    fake_clock: FakeClock,
) -> None:
    gone, lost = identity("par1"), identity("rom1")
    for who, number in ((LON, 1), (gone, 2), (lost, 3)):
        await store.fleet.note_hello(who, {})
        await arrivals.open_case(who, told_case(made_id(number), b"half"))
        await arrivals.append(who, made_id(number), 0, b"ha")
    await fake_clock.advance(15 * DAY_S)
    await store.fleet.note_hello(LON, {})
    await store.fleet.note_hello(identity("par1", life=2), {})
    before_us = fake_clock.now_us() - 14 * DAY_US

    assert await store.retention.dead_arrivals(before_us=before_us, rest=no_rest) == 2
    await custody.sweep(rest=no_rest, grace_s=-1e9)

    assert [case.message_id for case in await custody.cases()] == [made_id(1)]
    assert await bodies.partial_size(Partial(LON, made_id(1))) == 2
    assert await bodies.partial_size(Partial(gone, made_id(2))) == 0
    # Should it come back, it tells of its mail again.
    assert await arrivals.open_case(lost, told_case(made_id(3), b"half"))
    assert await arrivals.append(lost, made_id(3), 0, b"half")


async def test_a_young_arrival_of_a_dead_life_stays(
    store: Database, arrivals: Arrivals, fake_clock: FakeClock
) -> None:
    await arrivals.open_case(LON, told_case(made_id(1), b"half"))
    await store.fleet.note_hello(identity("lon1", life=2), {})
    before_us = fake_clock.now_us() - 14 * DAY_US

    assert await store.retention.dead_arrivals(before_us=before_us, rest=no_rest) == 0


async def publish_days(store: Database, clock: FakeClock, count: int) -> None:
    for number in range(count):
        await store.preferences.publish([route(f"d{number}.example")], who="t")
        await clock.advance(DAY_S)


async def test_old_revisions_go_but_the_newest_stay_however_old(
    store: Database, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_rows, "REVISIONS_KEPT", 3)
    await publish_days(store, fake_clock, 6)
    current = store.preferences.current

    before_us = fake_clock.now_us() - 4 * DAY_US - 1
    assert await store.retention.changes(before_us=before_us, rest=no_rest) == 2
    await fake_clock.advance(999 * DAY_S)
    assert await store.retention.changes(before_us=fake_clock.now_us(), rest=no_rest) == 1

    assert [one.number for one in await store.preferences.history()] == [6, 5, 4]
    assert await rows(store, tables.change) == 3
    with pytest.raises(UnknownRevision, match="no revision 3"):
        await store.preferences.rollback(3, who="t")
    await store.preferences.rollback(4, who="t")
    assert len(list(store.preferences.current)) == 4
    assert store.preferences.position.revision == current.position.revision + 1


async def test_who_is_behind_what_is_kept_has_no_digest_and_no_changes_to_get(
    store: Database, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_rows, "REVISIONS_KEPT", 2)
    await publish_days(store, fake_clock, 5)
    await store.retention.changes(before_us=fake_clock.now_us(), rest=no_rest)

    assert await store.preferences.digest_at(3) is None
    assert (await store.preferences.documents_after(2))[0].position.revision == 4  # a gap
    assert len(await store.preferences.documents_after(4)) == 1


async def test_entries_of_the_audit_go_from_the_oldest_on(
    store: Database, fake_clock: FakeClock
) -> None:
    for number in range(3):
        await store.audit.note(who="t", what="flush", subject=str(number))
        await fake_clock.advance(DAY_S)
    before_us = fake_clock.now_us() - DAY_US

    assert await store.retention.audit(before_us=before_us, rest=no_rest) == 2
    assert [entry.subject for entry in await store.audit.recent()] == ["2"]


async def test_the_outbox_of_a_dead_life_goes_after_its_records(
    store: Database, fake_clock: FakeClock
) -> None:
    other = ShardIdentity("lon1", 1, made_id(1))
    for who in (LON, other):
        await store.records.take(who, [record(1, "started")])
    await store.records.take(identity("lon1", life=2), [record(1, "started")])

    assert await store.retention.outboxes(rest=no_rest) == 0
    await fake_clock.advance(9 * DAY_S)
    await sweep_records(store, fake_clock, days=1)
    assert await store.retention.outboxes(rest=no_rest) == 1

    assert await store.records.last_sequence(other) == 1
    assert await store.records.last_sequence(identity("lon1", life=2)) == 1


class Steps:
    """How many rows each transaction of the writer deleted."""

    def __init__(self, store: Database) -> None:
        self.rows: list[int] = []
        self._now = 0
        engine = store.retention._writer._engine
        event.listen(engine, "after_cursor_execute", self._executed)
        event.listen(engine, "commit", self._committed)

    def _executed(self, _c: Any, cursor: Any, sql: str, *_: Any) -> None:
        if sql.startswith("DELETE"):
            self._now += max(0, cursor.rowcount)

    def _committed(self, _connection: Any) -> None:
        self.rows.append(self._now)
        self._now = 0


async def test_no_step_deletes_many_rows_and_the_link_has_its_turn_between_them(
    store: Database,
) -> None:
    much = Amounts(messages=1_500, refusals=1_200, cases=800, revisions=1_300, audit=1_200)
    await store.retention._writer.run(lambda c: fill(c, much))
    steps, taken = Steps(store), 0

    async def rest() -> None:
        nonlocal taken
        taken = await store.records.take(LON, [record(taken + 1, "started")])

    ever_us = 1 << 60
    for sweep in (
        store.retention.refusals(before_us=ever_us, rest=rest),
        store.retention.records(before_us=ever_us, unended_us=0, rest=rest),
        store.retention.messages(before_us=ever_us, future_us=ever_us, unended_us=0, rest=rest),
        store.retention.cases(before_us=ever_us, rest=rest),
        store.retention.changes(before_us=ever_us, rest=rest),
        store.retention.audit(before_us=ever_us, rest=rest),
    ):
        assert await sweep > 400

    # A step is of 500 rows, and what hangs on each: of a refusal two more.
    assert max(steps.rows) <= 1_500
    assert taken > 30
    assert await rows(store, tables.log_record) <= taken


async def test_space_is_given_back_in_steps(
    tmp_path: Path, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "UNUSED_BYTES_MIN", 100_000)
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock) as store:
        await store.retention._writer.run(lambda c: fill(c, Amounts(messages=2_000)))
        _, full = await store.retention.kept()
        await store.retention.records(before_us=1 << 60, unended_us=0, rest=no_rest)
        given: list[int] = []

        async def rest() -> None:
            given.append((await store.retention.kept())[1].database_bytes)

        octets = await store.retention.give_back(rest=rest)
        _, room = await store.retention.kept()

    assert octets > full.database_bytes // 3
    assert room.unused_bytes <= max(100_000, room.database_bytes // retention.UNUSED_SHARE)
    assert path.stat().st_size <= full.database_bytes - octets + 4_096
    sizes: Sequence[int] = [full.database_bytes, *given]
    largest = max(before - after for before, after in zip(sizes, given, strict=False))
    assert retention.VACUUM_PAGES // 2 * 4_096 < largest <= (retention.VACUUM_PAGES + 2) * 4_096


async def test_an_older_database_that_is_small_learns_to_shrink(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock):
        pass
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA auto_vacuum=0")
        raw.execute("VACUUM")
        assert raw.execute("PRAGMA auto_vacuum").fetchone() == (0,)

    async with await Database.open(path, clock=fake_clock):
        pass

    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA auto_vacuum").fetchone() == (2,)


async def test_what_is_kept_is_told_without_counting_it(store: Database) -> None:
    amounts = Amounts(messages=60, refusals=200, cases=30, revisions=40, audit=50)
    await store.retention._writer.run(lambda c: fill(c, amounts))

    found, room = await store.retention.kept()

    assert {name: one.rows for name, one in found.items()} == {
        "records": 500,
        "refusals": 198,
        "messages": 60,
        "bodies": 9,
        "cases": 21,
        "arriving": 0,
        "changes": 40,
        "audit": 50,
        "look_counts": 0,
        "outboxes": 6,
    }
    assert found["records"].oldest_us == found["messages"].oldest_us > 0
    assert found["arriving"].oldest_us == 0
    assert room.database_bytes > 100_000
