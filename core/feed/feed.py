"""How do preferences get from the store onto one satellite's stream?

Touches the store and the event loop; the session decides. A batch is cut into parts of bounded
size, all read at one moment; a snapshot is made once and shared by all who need it.

Source: docs/design/link-guarantees.md, G4, G7, G12.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, assert_never

import structlog

from common.clock import Clock
from common.link import PART_BYTES_MAX, Answer, Batch, Bookmark, PreferencesHello
from common.node_rates import NodeRates, until_due
from common.pacing import paced
from common.preferences import Document, Position
from common.preferences.digest import EMPTY_DIGEST
from common.token_bucket import TokenBucket
from core.feed.session import (
    BatchSent,
    BookmarkDue,
    Command,
    End,
    Event,
    FeedSession,
    Greeted,
    Moved,
    NoHistory,
    PreferenceStanding,
    SendAll,
    SendBookmark,
    SendChanges,
)
from core.preferences.ledger import Published, Snapshot

log = structlog.get_logger()

CHANGES_DOCUMENTS_MAX = 20_000  # in one delta; a satellite farther back takes several
DOCUMENT_OVERHEAD_BYTES = 32  # of the wire, beside kind, key and body
SNAPSHOTS_AT_ONCE = 24.0  # of one node: three for each of eight shards
SNAPSHOTS_PER_S_MAX = 8 / 30  # and from then on: one in half a minute for each of eight
DOCUMENTS_AT_ONCE = 1_000_000.0  # in deltas to one node: a large import for each of eight shards
DOCUMENTS_PER_S_MAX = 5_000.0  # and from then on: a twelfth of what the core can send
TELL_S = 60.0  # between two lines of the log about one node
ANSWERS_MAX = 8  # unread; there is one batch under way

Write = Callable[[Batch | Bookmark], Awaitable[None]]


class PreferenceSource(Protocol):
    """The store of preferences, as the feed sees it."""

    @property
    def position(self) -> Position: ...

    @property
    def digest(self) -> bytes: ...

    async def digest_at(self, revision: int) -> bytes | None: ...

    def subscribe(self) -> AbstractContextManager[asyncio.Event]: ...

    async def documents_after(self, revision: int, *, limit: int = ...) -> list[Published]: ...

    async def snapshot(self) -> Snapshot: ...


class FeedEnded(Exception):
    """The stream must not go on; says why."""


class Feed:
    """Feeds satellites from one store.

    Args:
        source: the store.
        clock: for bookmarks.
        bookmark_s: seconds between bookmarks on a quiet stream.
    """

    def __init__(self, source: PreferenceSource, *, clock: Clock, bookmark_s: float) -> None:
        self._source = source
        self._clock = clock
        self._bookmark_s = bookmark_s
        self._snapshot: Snapshot | None = None
        self._snapshots = NodeRates()  # how often each may have all
        self._documents = NodeRates()  # in deltas
        self._told_s: dict[str, float] = {}  # by node: when the log was told last that it waits

    async def follow(
        self,
        hello: PreferencesHello,
        answers: asyncio.Queue[Answer],
        *,
        write: Write,
        standing: Callable[[PreferenceStanding], None],
        before: PreferenceStanding | None = None,
    ) -> None:
        """Feed one stream until it is cancelled.

        Args:
            hello: what the satellite said first.
            answers: what it says afterwards.
            write: sends to it, and waits while it is slow.
            standing: told where it stands, after each change.
            before: where it stood on its last stream.

        Raises:
            FeedEnded: the stream must not go on.
        """
        with self._source.subscribe() as changed:
            session = FeedSession(
                head=self._source.position,
                refused=before.refused if before else None,
                refused_target=before.refused_target if before else None,
            )
            inbox: asyncio.Queue[Event] = asyncio.Queue(ANSWERS_MAX)
            sources = (self._moves(changed, inbox), self._ticks(inbox), _pass_on(answers, inbox))
            tasks = [asyncio.create_task(source, name="feed.source") for source in sources]
            try:
                event: Event = Greeted(hello, await self.digest_at(hello.applied))
                while True:
                    await self._settle(
                        session, event, node=hello.identity.node, write=write, standing=standing
                    )
                    event = await inbox.get()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def digest_at(self, position: Position) -> bytes | None:
        """Return the digest of our set at a position; None: we do not know the position."""
        if position.revision == 0:
            return EMPTY_DIGEST
        if position.epoch != self._source.position.epoch:
            return None
        return await self._source.digest_at(position.revision)

    # ---- inside

    async def _settle(
        self,
        session: FeedSession,
        event: Event,
        *,
        node: str,
        write: Write,
        standing: Callable[[PreferenceStanding], None],
    ) -> None:
        """Perform what an event asks for, and what follows from that."""
        commands: deque[Command] = deque(session.handle(event))
        while commands:
            match commands.popleft():
                case SendChanges(nonce=nonce, base=base):
                    sent = await self._send_changes(nonce, base, node, write)
                    commands.extend(session.handle(sent))
                case SendAll(nonce=nonce):
                    commands.extend(session.handle(await self._send_all(nonce, node, write)))
                case SendBookmark(position=position):
                    await write(Bookmark(position=position, time_us=self._clock.now_us()))
                case PreferenceStanding() as now:
                    standing(now)
                case End(reason=reason):
                    raise FeedEnded(reason)
                case _ as never:
                    assert_never(never)

    async def _send_changes(
        self, nonce: str, base: Position, node: str, write: Write
    ) -> BatchSent | NoHistory:
        bucket = self._documents.of(node, per_s=DOCUMENTS_PER_S_MAX, burst=DOCUMENTS_AT_ONCE)
        await self._until_due(node, bucket)
        published = await self._source.documents_after(base.revision, limit=CHANGES_DOCUMENTS_MAX)
        if not published or published[0].position.revision != base.revision + 1:
            return NoHistory()
        last = published[-1]
        if last.position.epoch != base.epoch:
            return NoHistory()
        documents = await asyncio.to_thread(lambda: latest(published))
        bucket.take(sum(len(one.documents) for one in published))
        await self._send(nonce, documents, last.position, last.digest, base=base, write=write)
        return BatchSent(last.position, last.digest)

    async def _until_due(self, node: str, bucket: TokenBucket) -> None:
        """Wait while a node has asked for too much: each time costs the core."""
        wait_s = bucket.wait_s(now_s=self._clock.monotonic_s())
        if wait_s and self._clock.monotonic_s() - self._told_s.get(node, -TELL_S) >= TELL_S:
            self._told_s[node] = self._clock.monotonic_s()
            log.warning("feed.snapshots_wait", node=node, wait_s=round(wait_s, 1))
        await until_due(bucket, self._clock)

    async def _send_all(self, nonce: str, node: str, write: Write) -> BatchSent:
        bucket = self._snapshots.of(node, per_s=SNAPSHOTS_PER_S_MAX, burst=SNAPSHOTS_AT_ONCE)
        await self._until_due(node, bucket)
        bucket.take()
        if self._snapshot is None or self._snapshot.position != self._source.position:
            self._snapshot = await self._source.snapshot()
        snapshot = self._snapshot
        await self._send(nonce, snapshot.documents, snapshot.position, snapshot.digest, write=write)
        return BatchSent(snapshot.position, snapshot.digest)

    async def _send(
        self,
        nonce: str,
        documents: Iterable[Document],
        target: Position,
        digest: bytes,
        *,
        write: Write,
        base: Position | None = None,
    ) -> None:
        cut = parts(documents)
        # In a thread: a part has thousands of documents, and they may have to be unpacked.
        while (part := await asyncio.to_thread(next, cut, None)) is not None:
            some, is_last = part
            await write(
                Batch(
                    nonce=nonce,
                    base=base,
                    target=target,
                    documents=some,
                    snapshot=base is None,
                    last_part=is_last,
                    digest=digest,
                )
            )

    async def _moves(self, changed: asyncio.Event, inbox: asyncio.Queue[Event]) -> None:
        while True:
            await changed.wait()
            changed.clear()
            await inbox.put(Moved(self._source.position))

    async def _ticks(self, inbox: asyncio.Queue[Event]) -> None:
        while True:
            await self._clock.sleep(self._bookmark_s)
            await inbox.put(BookmarkDue())


async def _pass_on(answers: asyncio.Queue[Answer], inbox: asyncio.Queue[Event]) -> None:
    while True:
        await inbox.put(await answers.get())


def latest(published: Iterable[Published]) -> list[Document]:
    """Return the last word on each document that some revisions changed, in their order.

    In a thread: of very many documents it rests in between.
    """
    found: dict[tuple[str, str], Document] = {}
    for revision in published:
        for document in paced(revision.documents):
            found.pop((document.kind, document.key), None)
            found[document.kind, document.key] = document
    return list(found.values())


def parts(
    documents: Iterable[Document], *, byte_limit: int = PART_BYTES_MAX
) -> Iterator[tuple[tuple[Document, ...], bool]]:
    """Cut documents into parts within the limit; the flag says which one is the last.

    Without documents there is one empty part: it still leads somewhere.
    """
    part: list[Document] = []
    byte_count = 0
    for document in documents:
        size = (
            len(document.kind)
            + len(document.key.encode())
            + len(document.body)
            + DOCUMENT_OVERHEAD_BYTES
        )
        if part and byte_count + size > byte_limit:
            yield tuple(part), False
            part, byte_count = [], 0
        part.append(document)
        byte_count += size
    yield tuple(part), True
