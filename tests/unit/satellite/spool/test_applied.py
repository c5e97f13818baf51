"""Do preferences come into a shard and back from its disk as they were, without holding it up?"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from common.preferences import CheckedDocument, Document, Epoch, Position, Preferences, list_entries
from common.preferences.documents import check_document
from satellite.spool import applied
from tests.support.core.preferences import route
from tests.support.spool.open_spool import OpenSpool


async def test_documents_come_from_the_disk_a_page_after_the_other(
    open_spool: OpenSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applied, "PAGE_DOCUMENTS", 3)
    entries = [
        Document("list", f"{colour}/cluster/{name}.example", 1, b"{}")
        for name in ("b", "\u00fcber", "a", "z", "c@d")
        for colour in ("white", "black")
    ]
    documents = [route(), *entries]
    position = Position(Epoch(1, "e"), 1)
    made = Preferences.from_documents(documents, position=position)
    spool = await open_spool()
    await spool.apply_preferences(documents, position=position, digest=made.digest, snapshot=True)

    spool = await open_spool()

    assert list(spool.preferences) == list(made)
    assert spool.preferences.digest == made.digest


async def test_a_revision_that_packs_what_came_before_it_does_so_in_a_thread(
    open_spool: OpenSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_entries, "RECENT_MAX", 2)
    threads: list[bool] = []
    check = check_document

    def looked(document: Document) -> CheckedDocument:
        threads.append(threading.current_thread() is threading.main_thread())
        return check(document)

    monkeypatch.setattr(applied, "check_document", looked)
    spool = await open_spool()
    made = spool.preferences
    for number in range(1, 5):
        document = Document("list", f"black/cluster/d{number}.example", number, b"{}")
        position = Position(Epoch(1, "e"), number)
        made = made.applied([document], position=position)
        await spool.apply_preferences(
            [document], position=position, digest=made.digest, snapshot=False
        )

    assert threads == [True, True, False, True]
    assert [each.key for each in spool.preferences] == [each.key for each in made]


async def test_what_can_be_read_stays_in_force_beside_a_document_that_cannot(
    open_spool: OpenSpool,
) -> None:
    documents = [route(), route("b.example"), route("c.example")]
    position = Position(Epoch(1, "e"), 1)
    made = Preferences.from_documents(documents, position=position)
    spool = await open_spool()
    await spool.apply_preferences(documents, position=position, digest=made.digest, snapshot=True)
    with closing(sqlite3.connect(spool.folder / "spool.db")) as connection, connection:
        connection.execute("UPDATE document SET body='{\"later\": 1}' WHERE key='b.example'")
        connection.execute("INSERT INTO document VALUES ('novelty', 'x', 1, X'7B7D')")

    spool = await open_spool()

    found = spool.preferences
    assert found.route("c.example") is not None
    assert found.route("b.example") is None
    assert found.unreadable.hides("b.example")
    assert not found.unreadable.hides("z.example")
    assert found.position == position
    assert found.digest != made.digest, "else the core would not know that all is to be sent anew"
    [problem] = spool.problems()
    assert "cannot be read here: 2" in problem
    assert "route b.example" in problem
    assert "novelty x: unknown kind" in problem

    await spool.apply_preferences(documents, position=position, digest=made.digest, snapshot=True)

    assert spool.preferences.route("b.example") is not None
    assert not spool.problems()


async def test_a_row_that_was_changed_is_told_from_the_set_that_was_announced(
    open_spool: OpenSpool,
) -> None:
    documents = [route(), route("b.example")]
    position = Position(Epoch(1, "e"), 1)
    made = Preferences.from_documents(documents, position=position)
    spool = await open_spool()
    await spool.apply_preferences(documents, position=position, digest=made.digest, snapshot=True)
    assert await spool.preferences_digests() == (made.digest, made.digest)

    with closing(sqlite3.connect(spool.folder / "spool.db")) as connection, connection:
        connection.execute("UPDATE document SET body=body || ' ' WHERE key='b.example'")

    announced, found = await spool.preferences_digests()
    assert announced == made.digest != found
    spool = await open_spool()
    assert spool.announced == made.digest != spool.preferences.digest
