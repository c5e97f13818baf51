"""Do writers share a commit without sharing each other's fate?"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from common.errors import DiskFull, LocalError
from core.store.dialect import database_url, writing_engine
from core.store.disk_room import REMEMBERED_S, DiskRoom
from core.store.errors import StoreFailure
from core.store.writer import StoreReader, StoreWriter


class Bench:
    """A writer on a table of one column, and how often it committed."""

    def __init__(self, path: Path) -> None:
        engine = writing_engine(database_url(path))
        self.commits = 0
        event.listen(engine, "commit", self._committed)
        self.writer = StoreWriter(engine)
        self.reader = StoreReader(database_url(path), threads=3, name="t")
        self.gate = threading.Event()

    def _committed(self, _connection: Connection) -> None:
        self.commits += 1

    async def prepare(self) -> None:
        await self.writer.run(lambda c: _run(c, "CREATE TABLE t (x INTEGER PRIMARY KEY)"))
        self.commits = 0

    async def hold(self) -> asyncio.Task[None]:
        """Return once the writing thread is busy; it stays so until the gate opens."""
        begun = threading.Event()

        def work(_connection: Connection) -> None:
            begun.set()
            assert self.gate.wait(timeout=10)

        held = asyncio.create_task(self.writer.run(work))
        assert await asyncio.to_thread(begun.wait, 10)
        return held

    async def values(self) -> list[int]:
        return await self.reader.run(
            lambda c: [row.x for row in c.execute(text("SELECT x FROM t ORDER BY x"))]
        )


def _run(connection: Connection, statement: str) -> None:
    connection.execute(text(statement))


def _put(connection: Connection, value: int) -> int:
    connection.execute(text("INSERT INTO t VALUES (:x)"), {"x": value})
    return value


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path / "t.db")
    await made.prepare()
    yield made
    made.gate.set()
    await made.reader.close()
    await made.writer.close()


async def _submit(bench: Bench, *values: int) -> list[asyncio.Task[int]]:
    tasks = [
        asyncio.create_task(bench.writer.run(lambda c, v=value: _put(c, v)))  # type: ignore[misc]
        for value in values
    ]
    await asyncio.sleep(0)  # each has handed in its work
    return tasks


async def test_those_who_wait_together_are_committed_together(bench: Bench) -> None:
    held = await bench.hold()
    tasks = await _submit(bench, 1, 2, 3, 4)
    bench.gate.set()

    assert await asyncio.gather(*tasks) == [1, 2, 3, 4]
    await held
    assert bench.commits == 2


async def test_a_refusal_takes_nothing_with_it(bench: Bench) -> None:
    def refuse(connection: Connection) -> None:
        _put(connection, 9)
        raise LocalError("no")

    held = await bench.hold()
    before = await _submit(bench, 1)
    refused = asyncio.create_task(bench.writer.run(refuse))
    await asyncio.sleep(0)
    after = await _submit(bench, 2)
    bench.gate.set()

    assert await asyncio.gather(*before, *after) == [1, 2]
    with pytest.raises(LocalError, match="no"):
        await refused
    await held
    assert await bench.values() == [1, 2]


async def test_whoever_breaks_the_transaction_fails_alone(bench: Bench) -> None:
    held = await bench.hold()
    tasks = await _submit(bench, 1, 1, 2)
    bench.gate.set()

    results = await asyncio.gather(*tasks, return_exceptions=True)

    await held
    assert [type(r) for r in results] == [int, StoreFailure, int]
    assert await bench.values() == [1, 2]


async def test_a_fault_of_ours_reaches_its_caller(bench: Bench) -> None:
    def broken(_connection: Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await bench.writer.run(broken)

    assert await bench.writer.run(lambda c: _put(c, 5)) == 5


async def test_who_gives_up_before_its_turn_leaves_no_trace(bench: Bench) -> None:
    held = await bench.hold()
    (task,) = await _submit(bench, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    bench.gate.set()
    await held

    await bench.writer.run(lambda c: _put(c, 2))

    assert await bench.values() == [2]


async def test_readers_cannot_write(bench: Bench) -> None:
    with pytest.raises(StoreFailure, match="readonly"):
        await bench.reader.run(lambda c: _put(c, 1))


async def test_a_write_that_has_no_room_is_remembered_for_a_minute(tmp_path: Path) -> None:
    now_s = 0.0
    room = DiskRoom(lambda: now_s)
    writer = StoreWriter(writing_engine(database_url(tmp_path / "full.db")), room)
    await writer.run(lambda c: _run(c, "CREATE TABLE t (x TEXT)"))
    assert room.problem == ""

    await writer.run(lambda c: _run(c, "PRAGMA max_page_count = 1"))
    with pytest.raises(DiskFull):
        await writer.run(lambda c: _run(c, "INSERT INTO t VALUES (zeroblob(1000000))"))

    assert "full" in room.problem
    now_s = REMEMBERED_S + 1.0
    assert room.problem == ""
    await writer.close()
