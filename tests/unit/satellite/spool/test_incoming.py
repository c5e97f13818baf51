"""Is a large revision applied whole or not at all, in steps between which mail goes on? (G2)"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from common.preferences import Document, Epoch, Position, Preferences
from satellite.spool import incoming
from satellite.spool.commits import Commits, Operation, Transaction
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import route
from tests.support.spool.open_spool import OpenSpool


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming, "STEP_DOCUMENTS", 3)


def numbered(first: int, last: int) -> list[Document]:
    return [route(f"d{number:02}.example") for number in range(first, last)]


async def apply(
    spool: Spool, revision: int, documents: Sequence[Document], *, all_of_it: bool
) -> Preferences:
    position = Position(Epoch(1, "e"), revision)
    if all_of_it:
        made = Preferences.from_documents(documents, position=position)
    else:
        made = spool.preferences.applied(documents, position=position)
    await spool.apply_preferences(
        documents, position=position, digest=made.digest, snapshot=all_of_it
    )
    return made


def changes() -> list[Document]:
    removed = [Document("route", f"d{number:02}.example", 2, b"", True) for number in range(4)]
    return [*removed, *numbered(8, 16)]


@pytest.mark.parametrize("all_of_it", [False, True])
async def test_killed_after_any_commit_it_has_one_revision_whole(
    open_spool: OpenSpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_of_it: bool
) -> None:
    spool = await open_spool()
    before = await apply(spool, 1, numbered(0, 10), all_of_it=True)
    await spool.settle_preferences(at_once=3)
    left: list[Path] = []
    committed = Commits._finished

    def left_behind(self: Commits, transaction: Transaction, *rest: object) -> None:
        left.append(tmp_path / f"killed{len(left)}")
        shutil.copytree(spool.folder, left[-1])
        committed(self, transaction, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Commits, "_finished", left_behind)
    after = await apply(spool, 2, changes(), all_of_it=all_of_it)
    await spool.settle_preferences(at_once=3)
    monkeypatch.undo()

    found = []
    for folder in left:
        one = await Spool.open(folder, node="lon1", shard=0, clock=FakeClock())
        expected = {1: before, 2: after}[one.preferences.position.revision]
        assert list(one.preferences) == list(expected)
        assert one.preferences.digest == expected.digest == one.announced
        assert await one.preferences_digests() == (expected.digest, expected.digest)
        assert one._select("SELECT count(*) FROM document_next", ()) == [(0,)]
        found.append(one.preferences.position.revision)
        await one.close()
    assert len(found) >= 10
    assert found == sorted(found)
    assert set(found) == {1, 2}


async def test_no_transaction_has_more_rows_than_a_step(
    open_spool: OpenSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    begun = Transaction.__init__

    def counted(self: Transaction, *arguments: object, **named: object) -> None:
        begun(self, *arguments, **named)  # type: ignore[arg-type]
        write, place = self.write, len(rows)
        rows.append(0)

        def one(sql: str, values: tuple[object, ...]) -> object:
            rows[place] += " document" in sql
            return write(sql, values)

        self.write = one

    spool = await open_spool()
    monkeypatch.setattr(Transaction, "__init__", counted)

    await apply(spool, 1, numbered(0, 40), all_of_it=True)
    await spool.settle_preferences(at_once=3)
    await apply(spool, 2, numbered(20, 60), all_of_it=True)
    await spool.settle_preferences(at_once=3)

    assert len(rows) > 40
    assert max(rows) <= 6  # three documents, each out of one table and into the other


async def test_other_commits_pass_between_its_steps(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    applying = asyncio.create_task(apply(spool, 1, numbered(0, 60), all_of_it=True))
    passed = 0
    while not applying.done():
        await spool.save_age()
        passed += spool.preferences.position.revision == 0

    assert passed >= 5
    assert (await applying).digest == spool.preferences.digest


async def test_what_could_not_be_gathered_leaves_nothing_behind(
    open_spool: OpenSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = await open_spool()
    before = await apply(spool, 1, numbered(0, 10), all_of_it=True)
    add, added = Commits.add, 0

    def third_fails(self: Commits, operation: Operation) -> asyncio.Future[None]:
        nonlocal added
        added += 1
        if added == 3:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.set_exception(EnvironmentFailure("no room"))
            return future
        return add(self, operation)

    await spool.settle_preferences()
    monkeypatch.setattr(Commits, "add", third_fails)
    with pytest.raises(EnvironmentFailure):
        await apply(spool, 2, numbered(10, 30), all_of_it=True)
    monkeypatch.undo()
    assert spool.preferences.digest == before.digest
    await spool.settle_preferences()

    assert spool._select("SELECT count(*) FROM document_next", ()) == [(0,)]
    assert await spool.preferences_digests() == (before.digest, before.digest)
    after = await apply(spool, 2, numbered(10, 30), all_of_it=True)
    assert spool.preferences.digest == after.digest


async def test_rows_on_their_way_are_no_damage(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    await apply(spool, 1, numbered(0, 10), all_of_it=True)

    announced, found = await spool.preferences_digests()  # none has gone over yet

    assert not spool._is_settled
    assert found == announced == spool.preferences.digest
