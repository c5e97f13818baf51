"""A row that changes by other means than a revision is found, and made anew from the history."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from common.preferences import Kind
from core.store.database import Database
from core.store.preference_rows import DAMAGED
from tests.support.clock import FakeClock
from tests.support.core.preferences import tombstone
from tests.support.core.rooms import route

CHANGED = "UPDATE document SET body=CAST('{}' AS BLOB) WHERE key='b.example'"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "core.db"


async def filled(file: Path) -> Database:
    store = await Database.open(file, clock=FakeClock())
    await store.preferences.publish([route("a.example"), route("b.example")], who="t")
    await store.preferences.publish([route("b.example", "beta"), route("c.example")], who="t")
    await store.preferences.publish([tombstone(Kind.ROUTE, "a.example")], who="t")
    return store


def change(file: Path, *statements: str) -> None:
    connection = apsw.Connection(str(file))
    for statement in statements:
        connection.execute(statement)
    connection.close()


async def test_a_row_that_changes_while_the_core_runs_is_mended_and_audited(file: Path) -> None:
    async with await filled(file) as store:
        await store.preference_rows.look()
        assert store.preference_rows.damages == 0
        change(file, CHANGED, "DELETE FROM document WHERE key='c.example'")

        await store.preference_rows.look()

        assert (store.preference_rows.damages, store.preference_rows.problem) == (1, "")
        assert [entry.what for entry in await store.audit.recent()].count("preferences.mended") == 1
        before = list(store.preferences.current)
        await store.preference_rows.look()
        assert store.preference_rows.damages == 1, "it is whole again"

    async with await Database.open(file, clock=FakeClock()) as store:
        assert list(store.preferences.current) == before


async def test_a_row_that_was_changed_is_mended_before_anybody_goes_by_it(file: Path) -> None:
    async with await filled(file) as store:
        whole = store.preferences.digest
    change(file, CHANGED)

    async with await Database.open(file, clock=FakeClock()) as store:
        assert store.preferences.digest == whole
        found = store.preferences.current.route("b.example")
        assert found is not None
        assert found.customer == "beta"


async def test_what_stood_before_the_history_that_is_kept_stays(file: Path) -> None:
    async with await filled(file) as store:
        whole = store.preferences.digest
        await store.preferences.publish([route("d.example")], who="t")
        after = store.preferences.digest
        change(
            file,
            "DELETE FROM revision WHERE number < 4",
            "DELETE FROM change WHERE revision < 4",
            "DELETE FROM document WHERE key='d.example'",
        )

        await store.preference_rows.look()

        assert store.preference_rows.problem == ""
    async with await Database.open(file, clock=FakeClock()) as store:
        assert store.preferences.digest == after != whole


async def test_what_the_history_does_not_make_anew_is_told_and_stays(file: Path) -> None:
    async with await filled(file) as store:
        change(file, CHANGED, "UPDATE change SET after=CAST('{ }' AS BLOB) WHERE key='c.example'")

        await store.preference_rows.look()

        assert store.preference_rows.problem == DAMAGED
