"""Is the core's database opened as its promises need it?"""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from common.chain import ChainPoint
from common.field_kinds import field_kinds
from common.link import Case
from core.records.lives import Fenced
from core.store import dialect, schema
from core.store.database import Database
from core.store.dialect import database_url, writing_engine
from core.store.errors import StoreFailure
from core.store.tables import metadata, quarantine_case
from tests.support.clock import FakeClock
from tests.support.core.rooms import identity, made_id, route
from tests.support.core.tables_at_once import bring_up_at_once


async def test_an_epoch_is_made_once(tmp_path: Path, fake_clock: FakeClock) -> None:
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock) as first:
        epoch = first.epoch
    async with await Database.open(path, clock=fake_clock) as second:
        assert second.epoch == epoch

    assert epoch.generation == 1
    assert len(epoch.identifier) == 36


async def test_a_renewed_epoch_is_newer_and_keeps_the_content(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock) as store:
        before = store.epoch
        await store.preferences.publish([route()], who="t")
        digest = store.preferences.current.digest
        with store.preferences.subscribe() as changed:
            renewed = await store.preferences.renew_epoch(who="t")
            assert changed.is_set()
    async with await Database.open(path, clock=fake_clock) as store:
        assert store.epoch == renewed
        assert store.preferences.current.digest == digest
        assert store.preferences.position.revision == 1

    assert before < renewed
    assert before.identifier != renewed.identifier


async def test_a_second_core_on_the_same_file_is_refused(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock):
        with pytest.raises(StoreFailure, match="another core"):
            await Database.open(path, clock=fake_clock)

    async with await Database.open(path, clock=fake_clock):
        pass  # the lock went with the first one


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock):
        pass
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()

    with pytest.raises(StoreFailure, match="version 9999"):
        await Database.open(path, clock=fake_clock)


async def test_the_version_stands_in_the_file_while_the_core_runs(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock):
        # As debian/borderscout.preinst asks: of the file alone.
        with contextlib.closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as beside:
            (version,) = beside.execute("SELECT version_num FROM alembic_version").fetchone()

    scripts = Path(schema.__file__).parent / "migrations" / "versions"
    assert version == max(script.name for script in scripts.glob("r*.py"))[1:5]


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, fake_clock: FakeClock) -> None:
    path = tmp_path / "core.db"
    path.write_bytes(b"this is no database" * 100)

    with pytest.raises(StoreFailure, match="not a database"):
        await Database.open(path, clock=fake_clock)


async def test_the_database_is_its_owners_alone(tmp_path: Path, fake_clock: FakeClock) -> None:
    path = tmp_path / "state" / "core.db"
    async with await Database.open(path, clock=fake_clock) as store:
        await store.preferences.publish([route()], who="t")
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}

    assert modes["core.db"] == modes["core.db-wal"] == 0o600


def test_the_writing_connection_syncs_each_commit(tmp_path: Path) -> None:
    engine = writing_engine(database_url(tmp_path / "t.db"))
    with engine.connect() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("synchronous", "journal_mode", "foreign_keys")
        }
    engine.dispose()

    assert found == {"synchronous": 2, "journal_mode": "wal", "foreign_keys": 1}


def test_a_connection_that_would_not_sync_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQLite answers a value that it cannot take with the one that it keeps.
    monkeypatch.setattr(dialect, "_WRITER_PRAGMAS", {"synchronous": 77})
    engine = writing_engine(database_url(tmp_path / "t.db"))

    with pytest.raises(StoreFailure, match="keeps synchronous"), engine.connect():
        pass

    engine.dispose()


def tables_of(path: Path) -> list[str]:
    """Return the statements that make a database again, but for its own name."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE epoch SET identifier = ''")
        return list(database.iterdump())


async def test_a_database_of_the_tests_is_what_the_migrations_make(
    tmp_path: Path, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, way in (("quick", bring_up_at_once), ("real", schema.bring_up)):
        monkeypatch.setattr("core.store.database.bring_up", way)
        async with await Database.open(tmp_path / name, clock=fake_clock):
            pass

    assert tables_of(tmp_path / "quick") == tables_of(tmp_path / "real")


async def test_the_migrations_make_the_tables_that_queries_are_written_for(
    tmp_path: Path, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.database.bring_up", schema.bring_up)  # not what they made once
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock):
        pass
    engine = writing_engine(database_url(path))

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()

    assert differences == []


async def test_a_database_of_the_first_version_is_brought_up_with_all_that_it_holds(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    engine = writing_engine(database_url(tmp_path / "core.db"))
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO verdict VALUES ('x', 0, '{}')"))
        for life in (made_id(1), made_id(2)):
            connection.execute(text(f"INSERT INTO outbox VALUES ('lon1', 0, '{life}', 7)"))
        shard = f"'lon1', 0, '{made_id(2)}', 1, 2, '{{}}', '{{}}'"
        connection.execute(text(f"INSERT INTO shard VALUES ({shard})"))
        row = "'lon1', 0, 'A', 1, 2, 3, 'started', '', x'7b7d', ''"
        connection.execute(text(f"INSERT INTO log_record VALUES ({row})"))
    engine.dispose()

    async with await Database.open(tmp_path / "core.db", clock=fake_clock) as store:
        assert [event["event"] for event in await store.records.node_events()] == ["started"]
        assert (await store.fleet.note_life(identity(life=2))).number == 2
        assert await store.records.position(identity(life=2)) == ChainPoint(7, b"")
        with pytest.raises(Fenced):
            await store.fleet.note_life(identity(life=1))


@pytest.mark.parametrize(
    ("target", "backend"),
    [
        ("/var/lib/core.db", "sqlite"),
        (Path("/var/lib/core.db"), "sqlite"),
        ("sqlite:////var/lib/core.db", "sqlite"),
        ("postgresql://core@db/core", "postgresql"),
    ],
)
def test_a_target_is_a_path_or_a_url(target: str | Path, backend: str) -> None:
    url = database_url(target)

    assert url.get_backend_name() == backend
    assert url.drivername in {"sqlite+pysqlite", "postgresql+psycopg"}


@pytest.mark.parametrize("target", ["mysql://host/db", "sqlite://", "://"])
def test_another_kind_of_database_is_refused(target: str) -> None:
    with pytest.raises(StoreFailure):
        database_url(target)


def test_each_thing_that_is_said_of_a_quarantined_message_has_a_column() -> None:
    assert field_kinds(Case).keys() <= set(quarantine_case.columns.keys())
