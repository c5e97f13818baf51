"""Does the core keep its promises on PostgreSQL as it does on SQLite?"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from common.chain import ChainPoint
from common.identity import LifeOrigin
from common.records import LogRecord
from core.custody.custody import SettledCases
from core.quarantine.cases import CaseState
from core.records.intake import SequenceGap
from core.records.lives import Fenced
from core.records.look_report import LookGroup
from core.records.reports import ReportGroup
from core.recovery.renewal import renew_at_rest
from core.store import revision_rows
from core.store.case_pages import CaseFilter
from core.store.database import Database
from core.store.dialect import database_url, writing_engine
from core.store.preference_rows import read_rows
from core.store.tables import metadata
from tests.support.clock import FakeClock
from tests.support.core import full_store, postgresql
from tests.support.core.rests import no_rest
from tests.support.core.rooms import accepted, ended, identity, made_id, record, route
from tests.support.core.saved import open_state, settings_in

pytest.importorskip("psycopg", reason="psycopg is not installed: pip install '.[postgresql]'")

LON = identity("lon1")
A, B = made_id(501), made_id(502)
_numbers = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    programs = postgresql.programs()
    if programs is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    with postgresql.server(programs) as url:
        yield url


@pytest.fixture
def url(server: str) -> str:
    """A database of this test alone."""
    name = f"scout{next(_numbers)}"
    engine = writing_engine(database_url(server))
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
async def store(url: str) -> AsyncIterator[Database]:
    async with await Database.open(url, clock=FakeClock()) as opened:
        yield opened


async def test_the_migrations_make_the_tables_that_queries_are_written_for(url: str) -> None:
    async with await Database.open(url, clock=FakeClock()):
        pass
    engine = writing_engine(database_url(url))

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


async def test_each_record_counts_once_whatever_the_stream_does(store: Database) -> None:
    await store.preferences.publish([route("acme.example", "acme")], who="t")
    infected = [{"by": "clamav", "outcome": "infected", "threats": ["Eicar"]}]
    stream = [accepted(1, A), record(2, "scanned", A, verdicts=infected), ended(3, A, "dropped")]

    for batch in (stream[:1], stream[:2], stream, stream[1:]):
        await store.records.take(LON, batch)
    with pytest.raises(SequenceGap):
        await store.records.take(LON, [accepted(5, B)])

    (message,) = await store.records.track("x@acme.example")
    assert [event["event"] for event in message["events"]] == ["accepted", "scanned", "ended"]
    assert message["recipients"][0]["customer"] == "acme"
    report = await store.records.report(ReportGroup.DAY, sites={})
    assert (report["totals"]["accepted"], report["totals"]["dropped"]) == (1, 1)
    assert report["threats"] == [{"name": "Eicar", "by": "clamav", "messages": 1}]


async def test_what_engines_said_adds_up_once(store: Database) -> None:
    def look(number: int, *verdicts: tuple[str, str]) -> LogRecord:
        said = [{"by": by, "outcome": one, "ms": 9, "threats": ["T\0"]} for by, one in verdicts]
        return record(number, "scanned", made_id(number), verdicts=said)

    stream = [
        look(1, ("clamav", "infected"), ("nod32", "clean")),
        look(2, ("clamav", "infected"), ("nod32", "timeout")),
        look(3, ("clamav", "clean"), ("nod32", "clean")),
    ]
    for batch in (stream[:1], stream, stream[1:]):
        await store.records.take(LON, batch)

    report = await store.records.look_report(LookGroup.SITE, sites={"lon1": "london"})

    clamav, nod32 = report["engines"]
    assert (clamav["asked"], clamav["found"], clamav["alone"]) == (3, 2, 1)
    assert (nod32["asked"], nod32["silent"], nod32["p95_ms"]) == (3, 1, 9)
    assert report["alone"][0] | {"name": ""} == {"name": "", "by": "clamav", "messages": 1}
    assert [group["name"] for group in report["groups"]] == ["london"]


async def test_a_shards_older_life_is_fenced_off(store: Database) -> None:
    later = identity("lon1", life=0)  # whatever its name says
    await store.records.take(LON, [record(1, "started")])
    await store.records.take(later, [record(1, "started")])

    with pytest.raises(Fenced):
        await store.records.take(LON, [record(2, "stopped")])


async def test_a_copy_is_fenced_and_what_a_former_life_held_is_lost(store: Database) -> None:
    message = made_id(77)
    copy = replace(LON, run=made_id(1))
    at = ChainPoint(1, bytes(range(16)))
    await store.records.take(LON, [accepted(1, message)], chain=at)
    assert await store.records.position(LON) == at
    assert await store.fleet.note_fork(copy, "it is a copy")
    with pytest.raises(Fenced, match="it is a copy"):
        await store.records.take(copy, [record(2, "stopped")])

    rebuilt = replace(identity("lon1", life=2), origin=LifeOrigin(former=""))
    assert not (await store.fleet.note_hello(rebuilt, {})).is_settled
    await store.lost.settle(rebuilt)

    assert await store.lost.unseen() == {"lon1/0": 1}
    assert await store.lost.see("lon1", 0, who="test") == 1
    again = replace(identity("lon1", life=3), origin=LifeOrigin(LON.incarnation, carried=1))
    assert await store.records.take(again, [accepted(1, message)]) == 1
    assert (await store.records.track(message))[0]["recipients"][0]["state"] == "lost"
    await store.records.take(again, [ended(2, message, "delivered")])
    assert (await store.lost.report())["copies"] == 0


async def test_shards_at_once_lose_nothing(store: Database) -> None:
    async def stream(shard: int) -> None:
        for n in range(10):
            message = made_id(1_000 * (shard + 1) + n)
            told = [accepted(2 * n + 1, message), ended(2 * n + 2, message, "delivered")]
            await store.records.take(identity("lon1", shard), told)

    await asyncio.gather(*(stream(shard) for shard in range(4)))

    report = await store.records.report(ReportGroup.DAY, sites={})
    assert report["totals"]["delivered"] == 40


async def test_poison_is_kept_and_the_stream_goes_on(store: Database) -> None:
    nul = record(1, "weird\0event", "no/id\0", subject="a\0b")
    await store.records.take(LON, [nul, accepted(2, A, subject="a\0b")])

    (message,) = await store.records.track(A)

    assert message["subject"] == "a\N{REPLACEMENT CHARACTER}b"


async def test_contents_are_compared_in_both_directions(url: str) -> None:
    clock = FakeClock()
    bad, worse = "ab" * 32, "cd" * 32
    named = {"engine": "clamav", "threat": "New.Threat", "definitions": "27808"}
    async with await Database.open(url, clock=clock) as store:
        await store.records.take(
            LON,
            [
                accepted(1, A),
                record(2, "scanned", A, verdicts=[], digests=[bad]),
                record(3, "scanned", A, verdicts=[], digests=[bad]),
                ended(4, A, "delivered"),
                record(5, "condemned", made_id(503), digests=[bad], **named),
                record(6, "condemned", made_id(503), digests=[worse], **named),
                accepted(7, B),
                record(8, "scanned", B, verdicts=[], digests=[worse]),
                ended(9, B, "delivered"),
            ],
        )

        (group,) = (await store.late.report())["customers"]
        assert [one["id"] for one in group["messages"]] == [B, A]
        assert (await store.late.alarm()).messages == 2
        await clock.advance(200 * 3600.0)
        await store.late.forget(rest=no_rest)
        assert (await store.late.report())["customers"] == []


async def test_pages_of_the_quarantine_and_open_releases_are_found(store: Database) -> None:
    amounts = full_store.Amounts(messages=200, cases=400, open_releases=30)
    await store.retention._writer.run(lambda c: full_store.fill(c, amounts))
    seen: list[str] = []
    before = None

    while page := await store.cases.cases(CaseFilter(customer="customer7", before=before), limit=3):
        seen += [case.message_id for case in page]
        before = (page[-1].quarantined_us, page[-1].message_id)

    assert seen == [full_store.case_id(n) for n in range(357, 0, -50)]
    domain = CaseFilter(domain="d7.example", node="node1", state=CaseState.DELETED)
    assert [case.message_id for case in await store.cases.cases(domain, limit=9)] == []
    at_node = CaseFilter(node="node1", state=CaseState.HELD)
    assert len(await store.cases.cases(at_node, limit=50)) == 14
    offers = await store.releases.assigned({("node0", 0), ("node1", 0)}, claim_wait_us=1)
    assert len(offers) == 30
    assert {offer.node for offer in offers} == {"node0", "node1"}
    assert await store.cases.needed_bodies([full_store.SAME_BODY, bytes(32)]) == {
        full_store.SAME_BODY
    }


async def test_what_was_kept_for_long_enough_goes_and_is_told(store: Database) -> None:
    amounts = full_store.Amounts(messages=700, refusals=600, cases=120, revisions=300, audit=700)
    await store.retention._writer.run(lambda c: full_store.fill(c, amounts))
    sweeps, ever_us = store.retention, 1 << 60

    assert await sweeps.refusals(before_us=ever_us, rest=no_rest) == 594
    assert await sweeps.records(before_us=ever_us, unended_us=0, rest=no_rest) == 3506
    gone = sweeps.messages(before_us=ever_us, future_us=ever_us, unended_us=0, rest=no_rest)
    assert await gone == 700
    assert await sweeps.cases(before_us=ever_us, rest=no_rest) == 84
    assert await sweeps.dead_arrivals(before_us=ever_us, rest=no_rest) == 0
    assert await sweeps.changes(before_us=ever_us, rest=no_rest) == 200
    assert await sweeps.audit(before_us=ever_us, rest=no_rest) == 700
    assert await sweeps.outboxes(rest=no_rest) == 0
    assert await sweeps.look_counts(before_day=1 << 20, rest=no_rest) == 0
    assert await sweeps.give_back(rest=no_rest) == 0

    kept, room = await sweeps.kept()
    assert kept["bodies"].rows == 36
    assert kept["cases"].rows == kept["records"].oldest_us == 0
    assert room.database_bytes > 1_000_000


async def test_a_large_revision_is_whole_beside_what_another_replica_publishes(
    url: str, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ahead, steps = revision_rows.write_ahead, 0
    async with await Database.open(url, clock=FakeClock()) as other:
        loop = asyncio.get_running_loop()

        def overtaken(*arguments: Any, **named: Any) -> None:
            nonlocal steps
            steps += 1
            write_ahead(*arguments, **named)
            if steps == 2:  # behind the commit of this step, and before the next one
                loop.call_soon_threadsafe(overtakes.set)

        async def overtake() -> None:
            await overtakes.wait()
            await other.preferences.publish([route("other.example")], who="t")

        overtakes = asyncio.Event()
        monkeypatch.setattr(revision_rows, "write_ahead", overtaken)
        overtaking = asyncio.create_task(overtake())
        position = await store.preferences.publish(
            [route(f"d{number}.example") for number in range(3_000)], who="t"
        )
        await overtaking
        await store.preferences.publish([route("z.example")], who="t")

        published = await store.preferences.documents_after(0)
        assert [len(one.documents) for one in published] == [1, 3_000, 1]
        assert position.revision == 2
    async with await Database.open(url, clock=FakeClock()) as again:
        assert again.preferences.digest == store.preferences.digest
        assert len(again.preferences.current.documents()) == 3_002
        read = await again.preferences._readers.people.run(read_rows)
        assert read.are_whole


def typed(*command: str | Path) -> None:
    subprocess.run(command, check=True)


async def test_a_core_is_restored_with_the_servers_own_tools(url: str, tmp_path: Path) -> None:
    """As docs/operating/restore.md, *With PostgreSQL*, has it typed."""
    settings = settings_in(tmp_path).model_copy(update={"database": url})
    state, kept, dump = Path(settings.state), tmp_path / "kept", tmp_path / "core.dump"
    programs, plain = postgresql.programs(), url.partition("?host=")
    assert programs is not None
    reached = ["--host", plain[2], "--username", "scout"]
    name = url.partition("?")[0].rpartition("/")[2]
    clock = FakeClock()
    async with open_state(settings, clock) as core:
        await core.database.preferences.publish([route("acme.example", "acme")], who="t")
        await core.hold(A, b"evil")
        save = (*reached, "--format=custom", f"--file={dump}", name)
        await asyncio.to_thread(typed, programs / "pg_dump", *save)
        await asyncio.to_thread(shutil.copytree, state / "bodies", kept)
        await core.database.preferences.publish([route("later.example", "late")], who="t")
        await core.hold(B, b"later")

    back = (*reached, "--clean", "--if-exists", "--dbname", name, str(dump))
    await asyncio.to_thread(typed, programs / "pg_restore", *back)
    (state / "bodies").rename(tmp_path / "bodies-before")
    shutil.copytree(kept, state / "bodies")
    position, settled = await renew_at_rest(settings, clock=clock, who="ann")

    assert (position.epoch.generation, position.revision) == (2, 1)
    assert settled == SettledCases(aside=0, wanted=0)
    async with open_state(settings, clock) as core:
        assert await core.custody.read(A, 0, 100) == b"evil"
        assert await core.custody.case(B) is None
        await core.hold(B, b"later")  # its satellite has it still, and sends it again
        assert await core.custody.read(B, 0, 100) == b"later"
        assert core.database.preferences.current.route("later.example") is None
