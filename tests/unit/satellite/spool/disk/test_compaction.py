"""A spool's file gives back what it does not use, in short steps, and loses nothing by it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import apsw
import pytest

from common.ids import MessageId
from satellite.spool.disk import compaction
from satellite.spool.disk.compaction import KEPT_PAGES, KEPT_SHARE, Step, due
from satellite.spool.disk.pages import PAGE_BYTES
from satellite.spool.disk.schema import open_writer
from satellite.spool.opening import open_sound
from satellite.spool.store import Spool
from tests.support.spool.ending import end_all
from tests.support.spool.open_spool import accept

BODY = b"Subject: hi\r\n\r\n" + b"x" * 60_000
MESSAGES = 400  # 24 MB


async def fill(spool: Spool) -> list[MessageId]:
    return list(await asyncio.gather(*(accept(spool, body=BODY) for _ in range(MESSAGES))))


async def compact(spool: Spool) -> int:
    """Return how many steps it took until nothing more was to go."""
    steps = 1
    while await spool.compact():
        steps += 1
    return steps


def size(folder: Path) -> int:
    return (folder / "spool.db").stat().st_size


def test_what_is_not_worth_it_stays() -> None:
    assert due(KEPT_PAGES, KEPT_PAGES) is None
    assert due(10 * KEPT_PAGES, int(10 * KEPT_PAGES * KEPT_SHARE)) is None


def test_a_file_that_holds_little_is_written_anew_and_of_another_the_tail_goes() -> None:
    assert due(1_000_000, 999_000) is Step.ANEW
    assert due(1_000_000, 900_000) is Step.TAIL


def test_a_large_file_of_an_earlier_version_stays_until_it_holds_little() -> None:
    assert due(1_000_000, 900_000, is_incremental=False) is None
    assert due(1_000_000, 999_000, is_incremental=False) is Step.ANEW


async def test_a_spool_that_was_full_gives_its_room_back_without_a_restart(
    spool: Spool, spool_folder: Path
) -> None:
    await end_all(spool, await fill(spool))
    assert size(spool_folder) > MESSAGES * len(BODY)

    await compact(spool)

    assert size(spool_folder) <= KEPT_PAGES * PAGE_BYTES


async def test_what_a_spool_still_holds_survives_step_by_step(
    spool: Spool, spool_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "ANEW_PAGES_MAX", 0)
    messages = await fill(spool)
    kept = messages[-30:]  # at the end of the file, whose pages must move
    await end_all(spool, messages[:-30])

    steps = await compact(spool)

    pages, free_pages = spool.file_pages()
    assert steps > 10
    assert free_pages <= max(KEPT_PAGES, pages * KEPT_SHARE)
    assert size(spool_folder) == pages * PAGE_BYTES
    for message in kept:
        stored = spool.message(message)
        assert stored is not None
        with spool.open_body(stored) as body:  # which compares the SHA-256
            assert body.read(0, 1 << 20) == BODY


async def test_changes_go_before_what_is_done_to_the_file(spool: Spool) -> None:
    await end_all(spool, await fill(spool))

    steps = asyncio.create_task(compact(spool))
    accepted = await asyncio.gather(*(accept(spool, body=BODY) for _ in range(20)))
    await steps

    assert all(spool.message(message) for message in accepted)


def test_a_file_of_an_earlier_version_gets_there_at_a_start(tmp_path: Path) -> None:
    (tmp_path / "bodies").mkdir()
    path = tmp_path / "spool.db"
    with contextlib.closing(open_writer(path, is_incremental=False)) as old:
        assert not compaction.is_incremental(old)
        old.execute("INSERT INTO meta VALUES ('kept', 7)").fetchall()

    with contextlib.closing(open_sound(tmp_path, now_us=0)) as writer:
        assert compaction.is_incremental(writer)
        assert writer.execute("SELECT value FROM meta WHERE name='kept'").get == 7


def test_tables_begin_at_the_same_pages_however_often_a_file_is_written_anew(
    tmp_path: Path,
) -> None:
    def roots(connection: apsw.Connection) -> list[tuple[object, ...]]:
        return connection.execute("SELECT name, rootpage FROM sqlite_schema ORDER BY 2").fetchall()

    with contextlib.closing(open_writer(tmp_path / "old.db", is_incremental=False)):
        pass
    with (
        contextlib.closing(open_writer(tmp_path / "new.db")) as new,
        contextlib.closing(open_writer(tmp_path / "old.db")) as old,
    ):
        first = roots(new)
        compaction.write_anew(new)
        compaction.convert(old)

        assert roots(new) == roots(old) == first
