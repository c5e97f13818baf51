"""Which operations does the spool offer to the stages of a satellite?

Touches the shard's folder: the database, the body files, the lock. Each stage takes its work from
here and puts its result back in one transaction; nothing is passed on in memory only. Who is to be
told that there is work is connected once, with ``connect``; what opening finds is in ``backlog``.

Long because it is the one door of the room: each operation of every stage passes here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from typing import Self

import structlog

from common.clock import Clock, new_id
from common.durable import sync_folder
from common.errors import EnvironmentFailure
from common.ids import MessageId
from common.pacing import let_go
from common.preferences import Document, Position
from common.records import NodeRecord, Record
from common.states import OUTCOMES, State
from common.verdict import Verdict
from satellite.spool import applied, changes, incoming
from satellite.spool.applied import DigestMismatch
from satellite.spool.commits import Commits, Transaction
from satellite.spool.disk import compaction
from satellite.spool.disk.bodies import FOLDER
from satellite.spool.disk.lock import ShardLock
from satellite.spool.disk.read_ahead import ReadAhead
from satellite.spool.disk.rows import NO_FAULTS
from satellite.spool.disk.schema import close
from satellite.spool.disk.space import Space
from satellite.spool.intake import SpoolEntry, disk_failure
from satellite.spool.life import read_life
from satellite.spool.listeners import SpoolListeners
from satellite.spool.message_cache import MessageCache
from satellite.spool.model.age import AgeClock
from satellite.spool.model.judged import as_judged
from satellite.spool.model.messages import (
    HoldMark,
    Judgement,
    NewMessage,
    PutOff,
    Settled,
    Stored,
)
from satellite.spool.opening import open_sound, suspect
from satellite.spool.outbox import Outbox
from satellite.spool.reader import Reader
from satellite.spool.recovery import Recovered, recover
from satellite.spool.upward import Upward

__all__ = ["DigestMismatch", "Spool", "SpoolEntry"]

log = structlog.get_logger()

DOCUMENTS_AT_ONCE = 50  # of a revision that are looked at in the event loop; each takes 50 µs


class Spool(Upward):
    """One shard's store, opened with ``await Spool.open(…)``; all of it runs in one event loop."""

    def __init__(
        self, folder: Path, *, node: str, shard: int, clock: Clock, reserve_bytes: int
    ) -> None:
        self.node = node
        self.shard = shard
        self.folder = folder
        self._bodies = folder / FOLDER
        self._clock = clock
        self.space = Space(folder, reserve_bytes, within=self.unused_bytes)
        self._cache = MessageCache()
        self._can_commit = False  # while it is being opened
        self._held = AsyncExitStack()  # files and the thread, let go in reverse

    @classmethod
    async def open(
        cls, folder: Path, *, node: str, shard: int, clock: Clock, reserve_bytes: int = 0
    ) -> Self:
        """Open a shard, waiting until nobody else has it, and recover it.

        Args:
            folder: the shard's folder; made when missing.
            node, shard: who this is to the core.
            clock: the time.
            reserve_bytes: free disk space below which ``refusal`` gives a reason.

        Raises:
            SpoolTooNew: a later version wrote it.
            EnvironmentFailure: the disk or the file system is not fit for it.
        """
        spool = cls(folder, node=node, shard=shard, clock=clock, reserve_bytes=reserve_bytes)
        try:
            await spool._start()
        except BaseException as error:
            await spool._held.aclose()
            if isinstance(error, OSError):
                raise disk_failure(error) from error
            raise
        return spool

    async def _start(self) -> None:
        self._bodies.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A file is as durable as the names of the folders that lead to it.
        sync_folder(self.folder)
        sync_folder(self.folder.parent)
        lock = ShardLock(self.folder)
        self._held.callback(lock.release)
        await lock.acquire(self._clock)
        ahead = self._held.enter_context(closing(ReadAhead(self.folder / "spool.db")))
        # In a thread, as all that looks at every row: with a million messages that is a second.
        writer = await asyncio.to_thread(open_sound, self.folder, now_us=self._clock.now_us())
        self._held.callback(close, writer)
        self._reader = Reader(self.folder / "spool.db", on_damage=self._met_damage)
        self._held.callback(self._reader.close)
        self._select = self._reader.select
        meta = self._meta()
        self._age = AgeClock(
            saved_us=int(meta.get("age_us", 0)),
            saved_wall_us=int(meta.get("age_wall_us", 0)),
            wall_us=self._clock.now_us(),
            monotonic_s=self._clock.monotonic_s(),
        )
        self.life = read_life(meta, fresh=new_id(self._clock))
        self._outbox = Outbox(self._select)
        self._commits = Commits(
            writer,
            clock=self._clock,
            sequence=max(int(meta.get("acknowledged", 0)), self._outbox.last_sequence()),
            committed=self._committed,
            broke=self._has_broken,
        )
        self._can_commit = True
        self._held.push_async_callback(self._commits.close)
        self._counts: Counter[State] = Counter()
        self.stored_bytes = 0
        self.outbox_bytes = await asyncio.to_thread(self._outbox.octets)
        self._is_settled = incoming.is_settled(self._select)
        await self.settle_preferences(at_once=incoming.START_DOCUMENTS)
        self.preferences = await asyncio.to_thread(applied.read_preferences, self._select)
        self.announced = applied.read_announced(self._select) or self.preferences.digest
        await self._save(clean=0, **self.life.facts())
        await self._commits.add(changes.uploads_offered_again())
        self.backlog: Recovered = await recover(self._select, self._commits, self._bodies)
        self._counts.update(self.backlog.found)  # beside what recovery itself has moved
        self.stored_bytes += self.backlog.stored_bytes
        ahead.stop()

    def connect(self, listeners: SpoolListeners) -> None:
        """Tell these from now on that there is work; until then nobody is told.

        A disk that has failed meanwhile is told at once: nothing would tell it later.
        """
        self._listeners = listeners
        if self.is_broken:
            listeners.broken()

    async def close(self) -> None:
        """Commit what is pending and give the shard back."""
        try:
            if not self.is_broken:
                await self._save(age_us=self.age_us(), age_wall_us=self._clock.now_us(), clean=1)
        except EnvironmentFailure as error:  # mail lives longer by what was not saved
            log.warning("spool.age_not_saved", reason=error.what)
        finally:
            await self._held.aclose()

    @property
    def is_broken(self) -> bool:
        """Whether the disk failed so that only another process can go on."""
        return bool(self._commits.broken)

    # ---- the front end

    def begin(self) -> SpoolEntry:
        """Return a place for a new message; nothing is durable before its commit."""
        return SpoolEntry(
            MessageId(new_id(self._clock)),
            folder=self._bodies,
            commits=self._commits,
            age_us=self.age_us(),
            now_us=self._clock.now_us(),
            done=self._taken,
        )

    def refusal(self) -> str | None:
        """Return why nothing may be accepted now, or None."""
        if self._commits.broken:
            return self._commits.broken
        return self.space.refusal(now_s=self._clock.monotonic_s())

    # ---- what the stages put back

    async def wait(
        self,
        message: MessageId,
        *,
        next_us: int,
        reason: str,
        verdicts: Sequence[Verdict],
        faults: Mapping[str, int] = NO_FAULTS,
        subject: str = "",
        message_id_header: str = "",
    ) -> None:
        """Let what is not judged of a message wait for an engine until ``next_us``.

        Args:
            message, next_us, reason, verdicts: what waits, until when, and why.
            faults: engines that could not finish this very message, and how often.
            subject, message_id_header: of it.
        """
        waits = changes.waits(
            message,
            next_us=next_us,
            reason=reason,
            verdicts=verdicts,
            faults=faults,
            subject=subject,
            message_id_header=message_id_header,
        )
        await self._change(message, waits)

    async def judge(
        self,
        message: MessageId,
        judgement: Judgement,
        *,
        stored: Stored | None = None,
        put_off: PutOff | None = None,
    ) -> None:
        """Give every recipient its disposition that has none.

        Args:
            message: which one.
            judgement: the dispositions.
            stored: the message as it was read: for its delivery it is not read again. Only with a
                judgement of all its recipients.
            put_off: those who wait for an engine instead.
        """
        body = self._cache.body(message)
        dropper = self._dropper(message)
        await self._change(message, changes.judged(message, judgement, dropper, put_off=put_off))
        if stored is not None and judgement.is_for_delivery:
            self._cache.keep(as_judged(stored, judgement), body)

    async def mark_sending(self, message: MessageId, numbers: Sequence[int]) -> None:
        """Make the sending mark durable; the final dot may leave after it."""
        await self._change(message, changes.marked_sending(message, tuple(numbers)))

    def settle(
        self,
        message: MessageId,
        results: Sequence[Settled],
        *,
        records: Sequence[Record] = (),
        bounces: Sequence[NewMessage] = (),
    ) -> asyncio.Future[None]:
        """Write how recipients left a delivery transaction, with the DSNs that it leads to."""
        self._cache.forget(message)
        return self._commits.add(
            changes.settled(
                message,
                results,
                records=records,
                bounces=[(self._stored_new(bounce), bounce) for bounce in bounces],
                drop_body=self._dropper(message),
            ),
        )

    async def mark_away(self, mark: HoldMark) -> None:
        """Remember since when a destination's server is away, and why."""
        await self._commits.add(changes.away(mark))

    async def mark_back(self, destination: str) -> None:
        """Forget that a destination's server was away."""
        await self._commits.add(changes.back(destination))

    async def note(self, *records: NodeRecord) -> None:
        """Write log records that come with no change of state."""

        def write(transaction: Transaction) -> None:
            for record in records:
                transaction.record(record)

        await self._commits.add(write)

    async def save_age(self) -> None:
        """Make the age clock durable; what passes until the next time may be lost, never gained."""
        await self._commits.add(changes.releases_forgotten(self.age_us()))
        await self._save(age_us=self.age_us(), age_wall_us=self._clock.now_us())

    async def compact(self) -> bool:
        """Give some of the file's free pages back to the disk; return whether more are to go.

        Raises:
            EnvironmentFailure: the disk refused it.
        """
        if compaction.due(*(before := self.file_pages())) is None:
            return False
        await self._commits.maintain(compaction.take_step)
        return self.file_pages() != before and compaction.due(*self.file_pages()) is not None

    @property
    def is_busy(self) -> bool:
        """Whether so much comes in that it shares commits."""
        return self._commits.is_busy

    # ---- the link

    async def apply_preferences(
        self,
        documents: Sequence[Document],
        *,
        position: Position,
        digest: bytes,
        snapshot: bool,
    ) -> None:
        """Apply one revision whole, or not at all.

        Raises:
            DocumentRefused: a document cannot be applied; the last good set stays.
            DigestMismatch: the set would differ from the core's; the last good set stays.
        """
        # A first set, or one of an import, has a hundred thousand documents.
        is_quick = len(documents) <= DOCUMENTS_AT_ONCE and self.preferences.is_quick(len(documents))
        take_in = partial(
            applied.taken_in,
            self.preferences,
            documents,
            position=position,
            digest=digest,
            snapshot=snapshot,
        )
        if is_quick:
            checked, made = take_in()
        else:
            checked, made = await asyncio.to_thread(applied.taken_in_apart, take_in)
        await self.settle_preferences()  # of the revision before
        if incoming.is_short(checked):
            retired = []
            last = applied.written(checked, position, digest=digest, snapshot=snapshot)
        else:
            retired = await asyncio.to_thread(self.preferences.kept_singly)
            self._is_settled = False
            for part in incoming.parts(checked):
                await self._commits.add(incoming.gathered(part))
            last = incoming.switched(position, digest=digest, snapshot=snapshot)
        await self._commits.add(last)
        self.preferences, self.announced = made, digest
        if retired:
            await asyncio.to_thread(let_go, retired)

    async def settle_preferences(self, *, at_once: int = incoming.STEP_DOCUMENTS) -> None:
        """Bring the rows of a large revision to where they belong; of one that failed, away.

        Args:
            at_once: rows in one transaction.

        Raises:
            EnvironmentFailure: the disk refused it; what is in force stays so.
        """
        while not self._is_settled:
            await self._commits.add(incoming.step(at_once))
            self._is_settled = incoming.is_settled(self._select)

    async def preferences_digests(self) -> tuple[bytes, bytes]:
        """Return ``announced``, and the digest of the documents that are on the disk now."""
        announced, found = await self._reader.apart(applied.read_digests)
        return announced or self.announced, found

    # ---- inside

    def _taken(self, stored: Stored, body: bytes | None) -> None:
        states = {recipient.state for recipient in stored.recipients}
        if states <= OUTCOMES:
            return  # scanned before its answer, and nobody gets it
        self._cache.keep(stored, body)
        self._tell(stored.id, is_judged=State.RECEIVED not in states)

    def _committed(self, transaction: Transaction) -> None:
        self._counts.update(transaction.moves)
        self.stored_bytes += transaction.stored_bytes
        self.outbox_bytes += transaction.outbox_bytes
        if transaction.records and self._listeners is not None:
            self._listeners.committed(transaction.ends)

    def _has_broken(self) -> None:
        if self._commits.is_damaged:
            self._suspect()
        if self._listeners is not None:
            self._listeners.broken()

    def _met_damage(self, reason: str) -> None:
        if self._can_commit:
            self._commits.give_up(reason, is_damage=True)
        else:  # nobody could say so later: this start fails, and the next one must check all
            self._suspect()

    def _suspect(self) -> None:
        try:
            suspect(self.folder)
        except OSError as error:  # a disk that is gone altogether: ending matters more
            log.error("spool.not_marked", reason=error.strerror)
