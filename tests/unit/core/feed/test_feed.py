"""A feed sends changes as changes, cuts what is large, and says where it is when all is quiet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from common.identity import ShardIdentity
from common.link import PART_BYTES_MAX, Answer, Batch, Bookmark, PreferencesHello
from common.preferences import Document, Epoch, Kind, Position
from common.preferences.digest import EMPTY_DIGEST
from common.preferences.documents import NOTHING
from core.feed.feed import (
    DOCUMENTS_PER_S_MAX,
    SNAPSHOTS_AT_ONCE,
    SNAPSHOTS_PER_S_MAX,
    Feed,
    FeedEnded,
    latest,
    parts,
)
from core.feed.session import PreferenceStanding
from core.preferences.ledger import Published
from core.store import old_rows
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rests import no_rest
from tests.support.core.rooms import document, made_id, route

WHO = ShardIdentity("lon1", 0, made_id(1))
BOOKMARK_S = 5.0


class Reader:
    """A satellite's end of a feed, which answers when a test says so."""

    def __init__(self, store: Database, clock: FakeClock) -> None:
        self.feed = Feed(store.preferences, clock=clock, bookmark_s=BOOKMARK_S)
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.heard: asyncio.Queue[Batch | Bookmark] = asyncio.Queue()
        self.standings: list[PreferenceStanding] = []
        self.task: asyncio.Task[None] | None = None

    def open(self, applied: Position, digest: bytes, *, who: ShardIdentity = WHO) -> None:
        hello = PreferencesHello(identity=who, applied=applied, digest=digest)
        self.task = asyncio.create_task(
            self.feed.follow(
                hello, self.answers, write=self.heard.put, standing=self.standings.append
            )
        )

    async def next(self) -> Batch | Bookmark:
        async with asyncio.timeout(10):
            return await self.heard.get()

    async def batch(self) -> Batch:
        while True:
            found = await self.next()
            if isinstance(found, Batch):
                return found

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def reader(store: Database, fake_clock: FakeClock) -> AsyncIterator[Reader]:
    made = Reader(store, fake_clock)
    yield made
    await made.close()


async def test_a_new_shard_gets_everything_and_then_a_bookmark(
    reader: Reader, store: Database
) -> None:
    position = await store.preferences.publish([route("a.example")], who="test")
    reader.open(NOTHING, EMPTY_DIGEST)

    batch = await reader.batch()
    await reader.answers.put(Answer(nonce=batch.nonce, applied=position, digest=batch.digest))

    assert (batch.snapshot, batch.base, batch.target) == (True, None, position)
    bookmark = await reader.next()
    assert isinstance(bookmark, Bookmark)
    assert bookmark.position == position


async def test_who_asks_for_everything_again_and_again_waits_and_other_nodes_do_not(
    reader: Reader, store: Database, fake_clock: FakeClock
) -> None:
    await store.preferences.publish([route("a.example")], who="test")
    for _ in range(int(SNAPSHOTS_AT_ONCE)):
        reader.open(NOTHING, bytes(32))
        assert (await reader.batch()).snapshot
        await reader.close()

    reader.open(NOTHING, bytes(32))
    await fake_clock.advance(1.0 / SNAPSHOTS_PER_S_MAX - 0.5)
    assert reader.heard.empty()
    other = Reader(store, fake_clock)
    other.feed = reader.feed
    other.open(NOTHING, bytes(32), who=ShardIdentity("fra1", 0, made_id(2)))
    assert (await other.batch()).snapshot
    await other.close()

    await fake_clock.advance(1.0)
    assert (await reader.batch()).snapshot


async def test_who_asks_for_all_changes_again_and_again_waits_too(
    reader: Reader, store: Database, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.feed.feed.DOCUMENTS_AT_ONCE", 10.0)
    documents = [route(f"d{number}.example") for number in range(10)]
    await store.preferences.publish(documents, who="test")
    before_all = Position(store.epoch, 0)  # whoever knows the epoch can say so
    reader.open(before_all, EMPTY_DIGEST)
    assert len((await reader.batch()).documents) == len(documents)
    await reader.close()

    reader.open(before_all, EMPTY_DIGEST)
    await fake_clock.advance(0.5 / DOCUMENTS_PER_S_MAX)
    assert reader.heard.empty()

    await fake_clock.advance(1.0 / DOCUMENTS_PER_S_MAX)
    assert len((await reader.batch()).documents) == len(documents)


async def test_a_shard_that_is_behind_gets_the_last_word_on_each_document(
    reader: Reader, store: Database
) -> None:
    first = await store.preferences.publish([route("a.example"), route("b.example")], who="test")
    digest = store.preferences.current.digest
    await store.preferences.publish([route("a.example", hold_days=3)], who="test")
    await store.preferences.publish([document("route", "a.example")], who="test")
    last = await store.preferences.publish([route("c.example")], who="test")
    reader.open(first, digest)

    batch = await reader.batch()

    assert (batch.snapshot, batch.base, batch.target) == (False, first, last)
    assert [(d.key, d.removed) for d in batch.documents] == [
        ("a.example", True),
        ("c.example", False),
    ]
    assert batch.digest == store.preferences.current.digest


async def test_a_forged_digest_gets_everything(reader: Reader, store: Database) -> None:
    position = await store.preferences.publish([route("a.example")], who="test")
    reader.open(position, bytes([9]) * 32)

    assert (await reader.batch()).snapshot


async def test_a_revision_that_never_was_gets_everything(reader: Reader, store: Database) -> None:
    position = await store.preferences.publish([route("a.example")], who="test")
    reader.open(Position(position.epoch, 77), bytes(32))

    assert (await reader.batch()).snapshot


async def test_a_shard_of_a_later_core_is_told_nothing(reader: Reader, store: Database) -> None:
    position = await store.preferences.publish([route("a.example")], who="test")
    later = Epoch(position.epoch.generation + 1, "55555555-5555-4555-8555-555555555555")
    reader.open(Position(later, 3), bytes(32))

    assert reader.task is not None
    with pytest.raises(FeedEnded, match="earlier"):
        await reader.task
    assert reader.heard.empty()


async def test_a_publication_is_sent_at_once(reader: Reader, store: Database) -> None:
    position = await store.preferences.publish([route("a.example")], who="test")
    reader.open(position, store.preferences.current.digest)
    await reader.next()

    await store.preferences.publish([route("b.example")], who="test")

    batch = await reader.batch()
    assert [document.key for document in batch.documents] == ["b.example"]


async def test_with_nothing_new_a_bookmark_comes_every_few_seconds(
    reader: Reader, store: Database, fake_clock: FakeClock
) -> None:
    position = await store.preferences.publish([route("a.example")], who="test")
    reader.open(position, store.preferences.current.digest)
    await reader.next()

    await fake_clock.advance(BOOKMARK_S * 3)

    marks = [reader.heard.get_nowait() for _ in range(reader.heard.qsize())]
    assert [type(mark) for mark in marks] == [Bookmark] * 3


def test_large_sets_are_cut_into_parts_within_the_limit_and_none_is_left_out() -> None:
    documents = [Document(Kind.ROUTE, f"{n}.example", 1, bytes(40_000)) for n in range(100)]

    cut = list(parts(documents))

    assert [document for part, _ in cut for document in part] == documents
    assert all(sum(len(d.body) for d in part) <= PART_BYTES_MAX for part, _ in cut)
    assert [is_last for _, is_last in cut] == [False] * (len(cut) - 1) + [True]


def test_an_empty_set_is_one_empty_part() -> None:
    assert list(parts([])) == [((), True)]


def test_the_last_word_on_a_document_stands_where_it_was_said() -> None:
    def published(revision: int, *keys: str) -> Published:
        return Published(
            position=Position(Epoch(1, "x"), revision),
            digest=bytes(32),
            documents=tuple(Document("route", key, revision, b"{}") for key in keys),
            time_us=0,
            who="",
            comment="",
        )

    found = latest([published(1, "a", "b"), published(2, "a")])

    assert [(document.key, document.revision) for document in found] == [("b", 1), ("a", 2)]


async def test_a_hello_reads_one_digest_and_no_document(
    store: Database, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.preferences.publish([route(f"d{n}.example") for n in range(50)], who="t")
    early = store.preferences.position, store.preferences.current.digest
    await store.preferences.publish([route("e.example")], who="t")
    changes = store.preferences.documents_after
    asked: list[int] = []

    async def counted(revision: int, *, limit: int = 10_000) -> list[Published]:
        asked.append(revision)
        return await changes(revision, limit=limit)

    monkeypatch.setattr(store.preferences, "documents_after", counted)
    reader.open(*early)
    batch = await reader.batch()

    assert [d.key for d in batch.documents] == ["e.example"]
    assert asked == [1]  # the changes that it lacks, and not the revision that it has


async def test_a_shard_that_is_behind_what_is_kept_gets_everything(
    store: Database, reader: Reader, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tombstone that it never got is among what went."""
    monkeypatch.setattr(old_rows, "REVISIONS_KEPT", 1)
    await store.preferences.publish([route("a.example"), route("b.example")], who="t")
    early = store.preferences.position, store.preferences.current.digest
    await store.preferences.publish([document("route", "a.example")], who="t")
    last = await store.preferences.publish([route("c.example")], who="t")
    await fake_clock.advance(1.0)
    await store.retention.changes(before_us=fake_clock.now_us(), rest=no_rest)
    reader.open(*early)

    batch = await reader.batch()

    assert (batch.snapshot, batch.target) == (True, last)
    assert [d.key for d in batch.documents] == ["b.example", "c.example"]
