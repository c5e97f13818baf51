"""Does the core keep its promises on PostgreSQL as it does on SQLite?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from core.records.intake import Fenced, SequenceGap
from core.records.reports import ReportGroup
from core.store.database import Database
from core.store.dialect import database_url, writing_engine
from core.store.tables import metadata
from tests.support.clock import FakeClock
from tests.support.core import postgresql
from tests.support.core.rooms import accepted, ended, identity, made_id, record, route

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


async def test_a_shards_older_life_is_fenced_off(store: Database) -> None:
    await store.records.take(identity("lon1", life=2), [record(1, "started")])

    with pytest.raises(Fenced):
        await store.records.take(LON, [record(1, "started")])


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
