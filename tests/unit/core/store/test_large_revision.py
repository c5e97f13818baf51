"""Is a large change set one revision, whole or not at all, that stops nobody? (G2)"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select

from common.preferences import Document, Kind
from core.preferences.ledger import Change, RevisionConflict
from core.store import history, revision_rows, tables
from core.store.database import Database
from core.store.errors import StoreFailure
from core.store.preference_rows import read_rows
from core.store.preferences import PreferenceStore
from core.store.writer import StoreWriter
from tests.support.clock import FakeClock
from tests.support.core.rooms import document, route

STEP = 5


@pytest.fixture(autouse=True)
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision_rows, "STEP_ROWS", STEP)
    monkeypatch.setattr(revision_rows.sweep, "__defaults__", (STEP,))
    monkeypatch.setattr(revision_rows.settle, "__defaults__", (STEP,))


def numbered(first: int, last: int) -> list[Document]:
    return [route(f"d{number:03}.example") for number in range(first, last)]


def removed(first: int, last: int) -> list[Document]:
    return [document("route", f"d{number:03}.example") for number in range(first, last)]


def left_of(connection: Connection) -> tuple[int, int]:
    """Return how many changes do not count, and how many revisions are on their way."""
    newest = connection.scalar(select(func.max(tables.revision.c.number))) or 0
    change = tables.change
    ahead = select(func.count()).select_from(change).where(change.c.revision > newest)
    settling = select(func.count()).select_from(tables.settling)
    return connection.scalar(ahead) or 0, connection.scalar(settling) or 0


async def settled(store: Database) -> None:
    assert store.preferences._settling is not None
    await store.preferences._settling


async def test_no_transaction_has_more_rows_than_a_step(store: Database) -> None:
    rows = [0]

    def executed(_c: Any, _cursor: Any, sql: str, values: Any, _context: Any, many: bool) -> None:
        if sql.startswith(("INSERT", "DELETE", "UPDATE")):
            rows[-1] += len(values) if many else 1

    engine = store.preferences._writer._engine
    event.listen(engine, "after_cursor_execute", executed)
    event.listen(engine, "commit", lambda _c: rows.append(0))

    await store.preferences.publish(numbered(0, 60), who="t")
    await store.preferences.publish(removed(0, 30), who="t")
    await settled(store)

    assert len(rows) > 2 * 90 / STEP
    assert max(rows) <= 2 * STEP + 1
    read = await store.preferences._readers.people.run(read_rows)
    assert read.are_whole
    assert read.found == store.preferences.digest


async def test_killed_after_any_commit_it_has_one_revision_whole(
    tmp_path: Path, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = tmp_path / "live"
    live.mkdir()
    left: list[Path] = []
    transact = StoreWriter._transact

    def left_behind(self: StoreWriter, group: list[Any]) -> list[Any]:
        outcomes = transact(self, group)
        left.append(tmp_path / f"killed{len(left)}")
        shutil.copytree(live, left[-1])
        return outcomes

    async with await Database.open(live / "core.db", clock=fake_clock) as store:
        await store.preferences.publish(numbered(0, 20), who="t")
        await settled(store)
        before = store.preferences.current
        monkeypatch.setattr(StoreWriter, "_transact", left_behind)
        await store.preferences.publish([*removed(0, 8), *numbered(20, 40)], who="t")
        await settled(store)
        monkeypatch.undo()
        after = store.preferences.current

    found = []
    for folder in left:
        async with await Database.open(folder / "core.db", clock=fake_clock) as store:
            current = store.preferences.current
            found.append(current.position.revision)
            expected = {1: before, 2: after}[found[-1]]
            assert list(current) == list(expected)
            assert current.digest == expected.digest
            readers = store.preferences._readers.people
            assert await readers.run(left_of) == (0, 0)
            assert (await readers.run(read_rows)).are_whole
            assert (await store.audit.recent())[0].what == "preferences.publish", "nothing to mend"
    assert found == sorted(found)
    assert found.count(1) > 4
    assert found.count(2) > 4


async def test_other_commits_pass_between_its_steps(store: Database) -> None:
    publishing = asyncio.create_task(store.preferences.publish(numbered(0, 100), who="t"))
    passed = 0
    while not publishing.done():
        await store.preferences._writer.run(lambda _connection: None)
        passed += store.preferences.position.revision == 0

    assert passed > 10
    assert (await publishing).revision == 1


async def test_one_edit_that_comes_meanwhile_is_in_it_or_behind_it(store: Database) -> None:
    await store.preferences.publish(numbered(0, 10), who="t")
    publishing = asyncio.create_task(store.preferences.publish(numbered(5, 100), who="t"))
    edits = 0
    while not publishing.done():
        await store.preferences.publish([route("d007.example", customer=f"c{edits}")], who="t")
        edits += 1
    position = await publishing

    newest = store.preferences.position.revision
    assert newest == 2 + edits
    published = await store.preferences.documents_after(0)
    assert [one.position.revision for one in published] == list(range(1, newest + 1))
    large = published[position.revision - 1]
    assert len(large.documents) in (90, 91)  # it puts back what an edit before it has changed
    assert large.documents[-1].key == "d099.example"


@pytest.mark.parametrize("is_large", [False, True])
async def test_what_another_published_since_the_base_is_a_conflict(
    store: Database, monkeypatch: pytest.MonkeyPatch, is_large: bool
) -> None:
    plan, planned = PreferenceStore._plan, 0

    async def overtaken(self: PreferenceStore, *arguments: Any, **named: Any) -> Any:
        nonlocal planned
        made = await plan(self, *arguments, **named)
        planned += 1
        if planned == 1:
            await self.publish([route("other.example")], who="t")
        return made

    await store.preferences.publish([route()], who="t")
    monkeypatch.setattr(PreferenceStore, "_plan", overtaken)
    if is_large:
        with pytest.raises(RevisionConflict):
            await store.preferences.publish(numbered(0, 30), who="t", base=1)
        assert store.preferences.position.revision == 2
    else:
        assert (await store.preferences.publish(numbered(0, 30), who="t")).revision == 3
    assert store.preferences.current.route("other.example") is not None
    assert (await store.preferences.publish([route("b.example")], who="t")).revision > 2


async def test_revisions_after_one_whose_documents_are_on_their_way_keep_their_order(
    tmp_path: Path, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def does_nothing(_self: PreferenceStore, _retired: object) -> None:
        pass

    monkeypatch.setattr(PreferenceStore, "_settle", does_nothing)
    async with await Database.open(tmp_path / "core.db", clock=fake_clock) as store:
        await store.preferences.publish(numbered(0, 30), who="t")
        await store.preferences.publish(
            [*removed(3, 4), route("d004.example", customer="c")], who="t"
        )
        made = store.preferences.current
        assert (await store.preferences._readers.people.run(left_of)) == (0, 2)
        assert (await store.preferences._readers.people.run(read_rows)).are_whole
        shutil.copytree(tmp_path, tmp_path / "killed")
        await store.preference_rows.look()
        read = await store.preferences._readers.people.run(read_rows)
        assert read.found == made.digest
        assert not store.preference_rows.problem

    async with await Database.open(tmp_path / "killed" / "core.db", clock=fake_clock) as store:
        assert list(store.preferences.current) == list(made)


async def test_what_could_not_be_written_leaves_nothing_behind(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ahead, steps = revision_rows.write_ahead, 0

    def third_fails(*arguments: Any, **named: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise StoreFailure("no room")
        write_ahead(*arguments, **named)

    monkeypatch.setattr(revision_rows, "write_ahead", third_fails)
    with pytest.raises(StoreFailure):
        await store.preferences.publish(numbered(0, 30), who="t")

    assert store.preferences.position.revision == 0
    assert await store.preferences._readers.people.run(left_of) == (0, 0)
    assert (await store.preferences.publish(numbered(0, 30), who="t")).revision == 1


async def test_changes_that_do_not_count_yet_are_in_no_history(store: Database) -> None:
    await store.preferences.publish([route("a.example", customer="old")], who="t")
    before = store.preferences.position
    ahead = [Change(Kind.WEIGHT, "cluster/X", "cluster", b"{}", None)]
    await store.preferences._writer.run(
        lambda c: revision_rows.write_ahead(c, before, first=0, changes=ahead)
    )

    run = store.preferences._readers.people.run
    assert await run(lambda c: list(history.changes_after(c, 1))) == []
    assert await run(lambda c: history.weight_changes_after(c, 1)) == []
    assert await store.preferences.documents_after(1) == []
    assert [one.number for one in await store.preferences.history(kind=Kind.WEIGHT)] == []
    assert (await store.preferences.publish([route("b.example")], who="t")).revision == 2
    (published,) = await store.preferences.documents_after(1)
    assert [one.key for one in published.documents] == ["b.example"]


async def test_a_large_revision_is_rolled_back_in_steps(store: Database) -> None:
    await store.preferences.publish([route("a.example")], who="t")
    wanted = store.preferences.digest
    await store.preferences.publish(numbered(0, 30), who="t")

    position = await store.preferences.rollback(1, who="t")

    assert position.revision == 3
    assert store.preferences.digest == wanted
    (published,) = await store.preferences.documents_after(2)
    assert len(published.documents) == 30


async def test_what_a_function_makes_may_be_large(store: Database) -> None:
    made = await store.preferences.revise(lambda _current: numbered(0, 30), who="t")

    assert made.position.revision == 1
    assert len(made.documents()) == 30
    await settled(store)
    assert await store.preferences._readers.people.run(left_of) == (0, 0)
