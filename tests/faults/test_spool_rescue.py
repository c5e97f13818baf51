"""The database file is damaged: what can be read is recovered, what cannot is named."""

from __future__ import annotations

import asyncio
import json
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from common import durable
from common.errors import EnvironmentFailure
from common.ids import MessageId
from common.preferences import Position, Preferences
from common.preferences.documents import NOTHING
from common.states import State
from satellite.spool.disk.problems import names_in
from satellite.spool.disk.sweep import UNKNOWN
from satellite.spool.incoming import STEP_DOCUMENTS
from satellite.spool.model.messages import Disposition, Settled
from satellite.spool.opening import SUSPECT
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import route
from tests.support.spool.listening import listen
from tests.support.spool.story import (
    LARGE,
    POSITION,
    ROUTE,
    SMALL,
    envelope,
    judgement,
)

PAGE_BYTES = 4096
MESSAGES = 60
NOBODY = 65_534


async def opened(folder: Path) -> Spool:
    return await Spool.open(folder, node="lon1", shard=0, clock=FakeClock())


async def filled(folder: Path) -> dict[MessageId, bytes]:
    """Make a spool with messages in many states, and end it as a crash would; return the bodies."""
    spool = await opened(folder)
    made = Preferences.from_documents([ROUTE], position=POSITION)
    await spool.apply_preferences([ROUTE], position=POSITION, digest=made.digest, snapshot=True)
    there: dict[MessageId, bytes] = {}
    gone = []
    for _ in range(MESSAGES):
        entry = spool.begin()
        entry.write(SMALL)
        await entry.commit(envelope=envelope("z@acme.example"), trace=b"")
        gone.append(entry.id)
    for number in range(MESSAGES):
        body = LARGE if number % 5 == 0 else SMALL + b"%d\r\n" % number
        entry = spool.begin()
        entry.write(body)
        await entry.commit(envelope=envelope("x@acme.example", "y@acme.example"), trace=b"")
        there[entry.id] = body
        deliver = judgement(Disposition.DELIVER, Disposition.DELIVER)
        match number % 4:
            case 1:
                await spool.judge(entry.id, deliver)
            case 2:
                await spool.judge(entry.id, deliver)
                await spool.mark_sending(entry.id, [0, 1])
                ended = Settled(number=0, state=State.DELIVERED, reason="250")
                later = Settled(number=1, state=State.DEFERRED, reason="450", next_us=9)
                await spool.settle(entry.id, [ended, later])
            case 3:
                await spool.judge(entry.id, judgement(*[Disposition.QUARANTINE] * 2))
            case _:
                pass
    for message in gone:  # their pages are free, and hold what they held
        await spool.judge(message, judgement(Disposition.DROP))
    await spool.close()
    with _database(folder) as database:
        assert database.execute("PRAGMA freelist_count").get
        database.execute(
            "DELETE FROM outbox WHERE message IN (SELECT value FROM json_each(?))",
            (json.dumps(gone),),
        )
        database.execute("UPDATE meta SET value=0 WHERE name='clean'")
    return there


@contextmanager
def _database(folder: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(folder / "spool.db"))
    try:
        yield connection
    finally:
        connection.close()


def pages_of(folder: Path, table: str) -> list[int]:
    """Return the leaf pages of a table, numbered from 0."""
    with _database(folder) as database:
        sql = "SELECT pageno FROM dbstat WHERE name=? AND pagetype='leaf' ORDER BY path"
        return [int(str(row[0])) - 1 for row in database.execute(sql, (table,))]


def ruin(folder: Path, page: int) -> None:
    with (folder / "spool.db").open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES) if page % 2 else os.urandom(PAGE_BYTES))


def named(spool: Spool) -> set[str]:
    """Return the messages that the records of a rescue name."""
    found = set()
    for record in spool.records(after=0, limit=10_000):
        fields = json.loads(record.fields)
        if record.event == "spool_damaged":
            found |= set(fields.get("messages", ()))
        elif record.event == "damaged":
            found.add(record.message_id)
    return found


async def accounted_for(folder: Path, there: dict[MessageId, bytes]) -> Spool:
    """Open a damaged spool; each message is there with its body, or named."""
    spool = await opened(folder)
    names = named(spool)
    assert {stored.id for stored in spool.unfinished(limit=999)} <= there.keys()
    for message, body in there.items():
        stored = spool.message(message)
        if stored is None:
            assert message in names, "neither there nor named"
            continue
        states = {recipient.state for recipient in stored.recipients}
        assert [recipient.number for recipient in stored.recipients] == [0, 1]
        if State.DAMAGED in states:
            assert message in names
            assert not stored.in_file, "only small bodies can be lost"
        elif states != {State.QUARANTINED} or message not in names:
            with spool.open_body(stored) as found:
                assert found.read(0, len(body)) == body
    sequences = [record.sequence for record in spool.records(after=0, limit=10_000)]
    assert sequences == list(range(1, len(sequences) + 1))
    (aside,) = [p for p in folder.glob("spool.db.damaged-*") if not p.name.endswith("-wal")]
    assert aside.stat().st_size > 0
    assert any("damaged" in problem for problem in spool.problems())
    entry = spool.begin()
    entry.write(SMALL)
    await entry.commit(envelope=envelope("x@acme.example"), trace=b"")
    return spool


TABLES = ("message", "recipient", "copy", "body", "outbox", "meta", "document")


@pytest.mark.scenario(row=19, checks="a ruined page of each table: all is there, or named")
@pytest.mark.parametrize("table", TABLES)
async def test_a_ruined_page_costs_what_stood_on_it_alone(tmp_path: Path, table: str) -> None:
    there = await filled(tmp_path)
    pages = pages_of(tmp_path, table)
    ruin(tmp_path, pages[len(pages) // 2])
    if table == "body":
        (tmp_path / SUSPECT).touch()  # as a worker leaves it that met the page

    spool = await accounted_for(tmp_path, there)

    lost = named(spool)
    gone = [message for message in lost if spool.message(MessageId(message)) is None]
    assert not gone, "what has an accepted record can be put together again"
    if table == "body":
        assert lost
    if table in {"meta", "document"}:
        assert spool.preferences.position.revision in {0, 1}
    else:
        assert spool.preferences.position == POSITION
    await spool.close()


@pytest.mark.scenario(row=19, checks="what only the core knows of any more is named")
async def test_a_message_of_which_only_the_id_is_left_is_named(tmp_path: Path) -> None:
    there = await filled(tmp_path)
    with _database(tmp_path) as database:
        database.execute("DELETE FROM outbox")  # the core has them
    pages = pages_of(tmp_path, "message")
    ruin(tmp_path, pages[len(pages) // 2])

    spool = await accounted_for(tmp_path, there)

    gone = {message for message in there if spool.message(message) is None}
    assert 0 < len(gone) < MESSAGES
    large = {message for message in gone if len(there[message]) == len(LARGE)}
    aside = set(names_in(tmp_path / UNKNOWN))  # none, when no large one stood on that page
    assert large == aside, "a body without its row is kept"
    await spool.close()


@pytest.mark.scenario(row=19, checks="the first page ruined: the tables are found all the same")
async def test_a_ruined_first_page_costs_nothing(tmp_path: Path) -> None:
    there = await filled(tmp_path)
    ruin(tmp_path, 0)

    spool = await accounted_for(tmp_path, there)

    assert all(spool.message(message) is not None for message in there)
    assert not named(spool) & set(there)
    await spool.close()


@pytest.mark.scenario(row=19, checks="a page that leads to others ruined: its rows are found")
@pytest.mark.parametrize("table", ["message", "recipient", "body", "outbox"])
async def test_a_ruined_page_that_leads_to_others_does_not_cost_what_they_hold(
    tmp_path: Path, table: str
) -> None:
    there = await filled(tmp_path)
    with _database(tmp_path) as database:
        sql = "SELECT pageno FROM dbstat WHERE name=? AND pagetype='internal'"
        inner = [int(str(row[0])) - 1 for row in database.execute(sql, (table,))]
    assert inner, "the test wants a tree"
    for page in inner:
        ruin(tmp_path, page)
    (tmp_path / SUSPECT).touch()

    spool = await accounted_for(tmp_path, there)

    missing = [message for message in there if spool.message(message) is None]
    assert not missing
    assert spool.counts()[State.DAMAGED] == 0
    await spool.close()


@pytest.mark.scenario(row=19, checks="the file cut in half: all is there, or named")
async def test_a_file_that_was_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    there = await filled(tmp_path)
    path = tmp_path / "spool.db"
    os.truncate(path, path.stat().st_size // PAGE_BYTES // 2 * PAGE_BYTES)

    spool = await opened(tmp_path)

    kept = [message for message in there if spool.message(message) is not None]
    assert kept
    events = [record.event for record in spool.records(after=0, limit=10_000)]
    assert "spool_damaged" in events
    await spool.close()


@pytest.mark.scenario(row=19, checks="random pages ruined: it always opens, and nothing is silent")
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_ruined_a_start_ends_well(tmp_path: Path, seed: int) -> None:
    there = await filled(tmp_path)
    chance = random.Random(seed)
    count = (tmp_path / "spool.db").stat().st_size // PAGE_BYTES
    for page in chance.sample(range(count), 5):
        ruin(tmp_path, page)
    (tmp_path / SUSPECT).touch()

    spool = await opened(tmp_path)

    incarnation = spool.life.incarnation
    before = spool.unfinished(limit=999)
    missing = there.keys() - {stored.id for stored in before}
    assert missing <= named(spool)
    await spool.close()
    spool = await opened(tmp_path)
    assert spool.unfinished(limit=999) == before
    assert spool.life.incarnation == incarnation
    await spool.close()


async def test_damage_that_shows_at_work_is_mended_by_the_next_start(tmp_path: Path) -> None:
    there = await filled(tmp_path)
    with _database(tmp_path) as database:
        database.execute("UPDATE meta SET value=1 WHERE name='clean'")  # nothing is checked
    for page in pages_of(tmp_path, "body"):
        ruin(tmp_path, page)
    spool = await opened(tmp_path)
    told: list[str] = []
    listen(spool, broken=lambda: told.append("broken"))
    small = next(message for message, body in there.items() if len(body) < len(LARGE))
    stored = spool.message(small)
    assert stored is not None

    with pytest.raises(EnvironmentFailure):
        spool.open_body(stored)

    assert told == ["broken"]
    await spool.close()
    spool = await accounted_for(tmp_path, there)
    assert spool.counts()[State.DAMAGED] > 0
    await spool.close()


async def test_damage_that_shows_while_a_spool_is_opened_is_mended_by_the_next_start(
    tmp_path: Path,
) -> None:
    there = await filled(tmp_path)
    for page in pages_of(tmp_path, "outbox"):
        ruin(tmp_path, page)
    with _database(tmp_path) as database:
        database.execute("UPDATE meta SET value=1 WHERE name='clean'")  # nothing is checked

    with pytest.raises(EnvironmentFailure):
        await opened(tmp_path)

    spool = await opened(tmp_path)
    assert {stored.id for stored in spool.unfinished(limit=999)} == there.keys()
    await spool.close()


@pytest.mark.scenario(row=19, checks="a rescue that is cut short goes on at the next start")
@pytest.mark.parametrize("step", ["rename", "unlink", "sync_folder", "new"])
async def test_a_rescue_that_was_cut_short_goes_on(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = await filled(tmp_path)
    ruin(tmp_path, pages_of(tmp_path, "recipient")[0])

    def fail(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        if step == "new":
            patch.setattr("satellite.spool.mending.transplant.Transplant.run", fail)
        else:
            calls = iter(range(100))
            real = getattr(durable.disk, step)

            def later(*arguments: object) -> object:
                # The first two syncs of a folder are the start's own.
                wait = 3 if step == "sync_folder" else 1
                if next(calls) == wait:
                    fail()
                return real(*arguments)

            patch.setattr(durable.disk, step, later, raising=False)
        with pytest.raises(EnvironmentFailure):
            await opened(tmp_path)

    spool = await accounted_for(tmp_path, there)
    await spool.close()


@pytest.mark.scenario(row=19, checks="the log cut, its index gone: an ordinary start")
async def test_a_cut_log_and_a_missing_index_are_an_ordinary_start(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    spool = await opened(folder)
    for _ in range(5):
        entry = spool.begin()
        entry.write(SMALL)
        await entry.commit(envelope=envelope("x@acme.example"), trace=b"")
    after = tmp_path / "t"
    (after / "bodies").mkdir(parents=True)
    for name in ("spool.db", "spool.db-wal"):
        (after / name).write_bytes((folder / name).read_bytes())
    log = after / "spool.db-wal"
    os.truncate(log, log.stat().st_size - 5000)  # in the middle of the last commit
    await spool.close()

    spool = await opened(after)

    assert 3 <= len(spool.unfinished(limit=9)) < 5
    assert not list(after.glob("spool.db.damaged*"))
    await spool.close()


@pytest.mark.scenario(row=19, checks="no right to read: refused with a remedy")
async def test_a_file_that_nobody_may_read_is_refused_with_a_remedy() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "shard"
        await (await opened(folder)).close()
        (folder / "spool.db").chmod(0)
        for path in (Path(name), folder, folder / "bodies", folder / "lock"):
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        is_root = os.geteuid() == 0
        try:
            if is_root:
                os.seteuid(NOBODY)
            with pytest.raises(EnvironmentFailure, match="check the rights"):
                await opened(folder)
        finally:
            if is_root:
                os.seteuid(0)


@pytest.mark.scenario(row=20, checks="told at once, 4xx; works on as soon as the lock is gone")
async def test_a_lock_of_somebody_else_is_told_at_once_and_passes(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    told: list[str] = []
    listen(spool, broken=lambda: told.append("broken"))
    with _database(tmp_path) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(5):
            entry = spool.begin()
            entry.write(LARGE)
            async with asyncio.timeout(5):
                with pytest.raises(EnvironmentFailure, match="another program"):
                    await entry.commit(envelope=envelope("x@acme.example"), trace=b"")
            entry.abandon()
        other.execute("ROLLBACK")

    entry = spool.begin()
    entry.write(LARGE)
    await entry.commit(envelope=envelope("x@acme.example"), trace=b"")

    assert told == []
    assert spool.refusal() is None
    assert [record.sequence for record in spool.records(after=0, limit=9)] == [1]
    assert [path.name for path in (tmp_path / "bodies").iterdir()] == [entry.id]
    await spool.close()


@pytest.mark.scenario(row=19, checks="the file emptied or replaced: bodies are kept and named")
@pytest.mark.parametrize("octets", [b"", b"short", bytes(3 * PAGE_BYTES), b"text\n" * 9000])
async def test_a_file_of_which_nothing_is_left_costs_no_body_file(
    tmp_path: Path, octets: bytes
) -> None:
    there = await filled(tmp_path)
    (tmp_path / "spool.db").write_bytes(octets)

    spool = await opened(tmp_path)

    assert spool.unfinished(limit=9) == []
    large = {message for message, body in there.items() if len(body) == len(LARGE)}
    assert large == {path.name for path in (tmp_path / "bodies.unknown").iterdir()}
    assert large <= named(spool)
    await spool.close()


async def test_a_large_revision_on_its_way_is_asked_for_again_after_a_rescue(
    tmp_path: Path,
) -> None:
    there = await filled(tmp_path)
    spool = await opened(tmp_path)
    documents = [route(f"d{number}.example") for number in range(2 * STEP_DOCUMENTS)]
    position = Position(POSITION.epoch, POSITION.revision + 1)
    made = spool.preferences.applied(documents, position=position)
    await spool.apply_preferences(documents, position=position, digest=made.digest, snapshot=False)
    await spool.close()  # nothing has gone over yet
    with _database(tmp_path) as database:
        database.execute("UPDATE meta SET value=0 WHERE name='clean'")
    pages = pages_of(tmp_path, "message")
    ruin(tmp_path, pages[len(pages) // 2])

    spool = await accounted_for(tmp_path, there)

    assert spool.preferences.position == NOTHING, "half of a revision is none"
    assert len(spool.preferences.documents()) == 0
    await spool.close()
