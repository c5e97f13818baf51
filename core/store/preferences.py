"""How are the preferences kept, and read again?

Touches the database. The preferences in force are also in memory: they change only after the
commit, so that nobody is told of a revision that a crash could take back.
A large change set is planned in a thread, and written some rows at a time (``revision_rows``).

Long because a change, its history and what is in force then belong together.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection, select, update

from common.clock import Clock
from common.errors import BorderScoutError, EnvironmentFailure, LocalError
from common.pacing import GoesThrough, lasting, let_go, paced
from common.preferences import CheckedDocument, Document, Epoch, Kind, Position, Preferences
from common.preferences.loops import OurHosts
from common.preferences.weights import AllWeights
from common.tasks import finish
from core.preferences.epochs import next_generation
from core.preferences.header_patterns import refuse_many_header_patterns
from core.preferences.ledger import (
    Change,
    Published,
    Revision,
    RevisionConflict,
    Snapshot,
    UnknownRevision,
    next_position,
    plan,
    restored,
)
from core.preferences.past_weights import weights_at
from core.preferences.yara_rules import refuse_unusable_rules
from core.store import history, revision_rows, tables
from core.store.audit import write_entry
from core.store.revision_rows import MovedOn, RevisionNote, is_large
from core.store.subscribers import Subscribers
from core.store.writer import StoreReaders, StoreWriter

log = structlog.get_logger()

LARGE_TRIES = 5  # while another replica publishes again and again

_Proposal = Callable[[Connection, Preferences], Sequence[Document]]


class _TooLarge(LocalError):
    """A change set is not for one transaction; nobody but this room sees it."""

    def __init__(self) -> None:
        super().__init__("a large change set")


@dataclass(frozen=True, slots=True)
class _Planned:
    """What a change set comes to: nothing, or its changes and what they make."""

    changes: Sequence[Change]
    made: Preferences


class PreferenceStore:
    """The documents, their history, and what is in force."""

    def __init__(
        self,
        writer: StoreWriter,
        readers: StoreReaders,
        clock: Clock,
        current: Preferences,
        ours: OurHosts,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._current = current
        self.ours = ours  # the settings may say something else while the core runs
        self._subscribers = Subscribers()
        self._last_made = current  # by the writer's thread, perhaps not committed
        self._one_large = asyncio.Lock()
        self._settling: asyncio.Task[None] | None = None
        self._gate = asyncio.Event()  # closed while the rows of a large revision are written
        self._gate.set()

    @property
    def current(self) -> Preferences:
        """What is in force: an object that never changes, and is replaced by the next revision."""
        return self._current

    @property
    def position(self) -> Position:
        """Where the preferences are."""
        return self._current.position

    @property
    def digest(self) -> bytes:
        """Of the whole set that is in force."""
        return self._current.digest

    async def close(self) -> None:
        """Leave what is not settled to the next start; nothing is written from here on."""
        if self._settling is not None:
            self._settling.cancel()
            await asyncio.gather(self._settling, return_exceptions=True)

    def subscribe(self) -> AbstractContextManager[asyncio.Event]:
        """Give an event that is set after each durable change."""
        return self._subscribers.subscribe()

    async def publish(
        self, documents: Sequence[Document], *, who: str, comment: str = "", base: int | None = None
    ) -> Position:
        """Make a change set one revision, durably, and return where the preferences are then.

        Documents that change nothing are left out; when nothing is left, nothing is published.

        Args:
            documents: what shall be set (``revision`` is not read), and tombstones.
            who: for the history and the audit.
            comment: why.
            base: the revision that the caller looked at; None when it does not matter.

        Raises:
            DocumentRefused: a document is wrong; nothing was published.
            RevisionConflict: somebody else published since ``base``.
            LeadsBack: a route or an order leads to one of our own hosts.
        """
        made = await self._publish(
            lambda _connection, _current: documents,
            what="preferences.publish",
            who=who,
            comment=comment,
            base=base,
            at_once=not is_large(documents),
        )
        return made.position

    async def revise(
        self,
        revision: Callable[[Preferences], Sequence[Document]],
        *,
        who: str,
        comment: str = "",
    ) -> Preferences:
        """Publish what a function makes of the preferences in force, and return what it led to.

        Nobody publishes between what the function sees and what it makes, so that a change goes on
        top of every other one, and no caller has to look again.

        Args:
            revision: returns what shall be set, and tombstones. It is asked in another thread and,
                when its group of transactions could not be committed, once more: it must change
                nothing.
            who: for the history and the audit.
            comment: why.

        Raises:
            DocumentRefused: a document is wrong; nothing was published.
            BorderScoutError: what the function refused with; likewise.
        """
        return await self._publish(
            lambda _connection, current: revision(current),
            what="preferences.publish",
            who=who,
            comment=comment,
        )

    async def rollback(self, to_revision: int, *, who: str, comment: str = "") -> Position:
        """Publish one revision that brings back the content of an earlier one.

        Raises:
            UnknownRevision: there is no such revision.
        """

        def proposed(connection: Connection, current: Preferences) -> Sequence[Document]:
            newest = current.position.revision
            oldest = max(1, history.oldest(connection))
            if not oldest <= to_revision <= newest:
                raise UnknownRevision(to_revision, current=newest, oldest=oldest)
            return restored(history.changes_after(connection, to_revision))

        count = await self._readers.people.run(
            lambda c: history.documents_count_after(c, to_revision)
        )
        made = await self._publish(
            proposed,
            at_once=count <= revision_rows.STEP_ROWS,
            what="preferences.rollback",
            who=who,
            comment=comment or f"back to revision {to_revision}",
        )
        return made.position

    async def adopt_first(
        self, documents: Sequence[Document], *, who: str = "inventory"
    ) -> Position | None:
        """Make documents the first revision, or return None when there already is one.

        Raises:
            DocumentRefused: a document is wrong; the store stays empty.
        """

        def proposed(_connection: Connection, current: Preferences) -> Sequence[Document]:
            return () if current.position.revision else documents

        if self.position.revision:
            return None
        made = await self._publish(
            proposed,
            what="preferences.adopt",
            who=who,
            comment="first revision",
            at_once=not is_large(documents),
        )
        return made.position

    async def documents_after(self, revision: int, *, limit: int = 10_000) -> list[Published]:
        """Return the revisions after ``revision``, the oldest first, each whole.

        Args:
            revision: what the asker has.
            limit: about how many documents; one revision is returned however many it has.
        """
        epoch = self._current.position.epoch
        return await self._readers.link.run(
            lambda connection: history.published_after(
                connection, revision, epoch=epoch, limit=limit, pace=paced
            )
        )

    async def digest_at(self, revision: int) -> bytes | None:
        """Return the digest of the whole set at a revision; None when it is not kept."""
        return await self._readers.link.run(lambda c: history.digest_at(c, revision))

    async def snapshot(self) -> Snapshot:
        """Return the whole set that is in force; its documents are read as somebody asks."""
        current = self._current
        return Snapshot(position=current.position, digest=current.digest, documents=current)

    async def history(
        self,
        *,
        scope: str | None = None,
        kind: Kind | None = None,
        key: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Revision]:
        """Return revisions, the newest first, with the changes that were asked for.

        Args:
            scope: only changes that concern this scope, in canonical form.
            kind: only changes to this kind of document.
            key: only changes to documents of this key.
            before: only revisions before this one.
            limit: at most so many revisions.
        """
        return await self._readers.people.run(
            lambda connection: history.revisions(
                connection, scope=scope, kind=kind, key=key, before=before, limit=limit
            )
        )

    async def weights_at(self, revisions: Collection[int]) -> Mapping[int, AllWeights]:
        """Return the weights that were in force at revisions, as far as these are known."""
        current = self._current
        if not revisions:
            return {}
        changes = await self._readers.people.run(
            lambda connection: history.weight_changes_after(connection, min(revisions))
        )
        return weights_at(revisions, current, changes)

    async def renew_epoch(
        self, *, who: str, known: Collection[int] = (), generation: int | None = None
    ) -> Epoch:
        """Begin a new epoch with the content that is in force, and return it.

        Args:
            who: for the audit.
            known: generations that were heard of; the new one is later.
            generation: what an operator named instead.

        Raises:
            EpochRefused: what he named is not later than ours.
        """
        now_us = self._clock.now_us()
        identifier = str(uuid.uuid4())

        def work(connection: Connection) -> Preferences:
            current = self._in_force(connection)
            ours = current.position.epoch.generation
            epoch = Epoch(next_generation(ours, known=known, wished=generation), identifier)
            connection.execute(
                update(tables.epoch).values(
                    generation=epoch.generation, identifier=epoch.identifier, created_us=now_us
                )
            )
            write_entry(
                connection,
                now_us=now_us,
                who=who,
                what="epoch.renew",
                subject=epoch.identifier,
                detail=f"generation {epoch.generation} after {ours}",
            )
            made = current.applied((), position=Position(epoch, current.position.revision))
            self._last_made = made
            return made

        async def renew() -> Epoch:
            made = await self._writer.run(work)
            self._install(made)
            return made.position.epoch

        return await finish(renew())

    async def _publish(
        self,
        proposed: _Proposal,
        *,
        what: str,
        who: str,
        comment: str,
        base: int | None = None,
        at_once: bool = True,
    ) -> Preferences:
        note = RevisionNote(time_us=self._clock.now_us(), who=who, what=what, comment=comment)

        def work(connection: Connection) -> Preferences:
            current = self._in_force(connection)
            documents = proposed(connection, current)
            if is_large(documents):
                raise _TooLarge
            planned = self._planned(current, documents, base=base)
            if planned.changes:
                revision_rows.write(connection, planned.made, planned.changes, note)
                self._last_made = planned.made
            return planned.made

        async def publish() -> Preferences:
            made = await self._writer.run(work)
            self._install(made)
            return made

        if not at_once:
            return await finish(self._publish_large(proposed, base=base, note=note))
        await self._gate.wait()
        try:
            # A caller that gives up between commit and here must not leave memory behind the disk.
            return await finish(publish())
        except _TooLarge:
            return await finish(self._publish_large(proposed, base=base, note=note))

    async def _publish_large(
        self, proposed: _Proposal, *, base: int | None, note: RevisionNote
    ) -> Preferences:
        """Publish what would take long, while everybody else writes.

        It is planned beside the preferences in force. From then on other publications wait until
        it has its number, and nothing else does.
        """
        async with self._one_large:
            if self._settling is not None:
                await self._settling
            current = self._current
            planned = await self._plan(proposed, current, base=base)
            self._gate.clear()
            try:
                for _ in range(LARGE_TRIES):
                    newest = await self._writer.run(self._in_force)  # behind all that were let in
                    if newest.position != current.position:
                        current = newest
                        planned = await self._plan(proposed, current, base=base)
                    try:
                        made = await self._write_large(current.position, planned, note)
                    except MovedOn:
                        continue  # by another replica
                    retired = await asyncio.to_thread(current.kept_singly)
                    self._install(made)
                    break
                else:
                    revision = self._current.position.revision
                    raise RevisionConflict(base=current.position.revision, current=revision)
            finally:
                self._gate.set()
            self._settling = asyncio.create_task(self._settle(retired), name="preferences.settle")
            return made

    async def _plan(
        self, proposed: _Proposal, current: Preferences, *, base: int | None
    ) -> _Planned:
        documents = await self._readers.people.run(lambda c: proposed(c, current))

        def planned() -> _Planned:
            with lasting():
                return self._planned(current, documents, base=base, pace=paced)

        return await asyncio.to_thread(planned)

    def _planned(
        self,
        current: Preferences,
        documents: Sequence[Document],
        *,
        base: int | None,
        pace: GoesThrough = iter,
    ) -> _Planned:
        planned = plan(current, documents, base=base, ours=self.ours, pace=pace)
        if not planned.changes:
            return _Planned((), current)
        position = next_position(current.position, current.position.epoch)
        made = current.applied(pace(planned.documents), position=position)
        refuse_unusable_rules(made, planned.documents)
        refuse_many_header_patterns(made, planned.documents)
        return _Planned(planned.changes, made)

    async def _write_large(
        self, before: Position, planned: _Planned, note: RevisionNote
    ) -> Preferences:
        changes, made = planned.changes, planned.made
        if not changes:
            return made

        def switch(connection: Connection) -> None:
            revision_rows.switch(connection, before, made, len(changes), note)
            self._last_made = made

        await self._sweep()
        try:
            for first, part in revision_rows.parts(changes):
                await self._writer.run(
                    partial(revision_rows.write_ahead, before=before, first=first, changes=part)
                )
            await self._writer.run(switch)
        except BorderScoutError:
            with suppress(EnvironmentFailure):  # the next one does it, or the next start
                await self._sweep()
            raise
        return made

    async def _sweep(self) -> None:
        while await self._writer.run(revision_rows.sweep):
            pass

    async def _settle(self, retired: list[CheckedDocument]) -> None:
        """Let the documents of what was published go over to where a start reads them.

        Args:
            retired: what was in force until then.
        """
        await asyncio.to_thread(let_go, retired)
        try:
            while await self._writer.run(revision_rows.settle):
                pass
        except EnvironmentFailure as error:  # what is left is done within the hour, or at a start
            log.warning("preferences.not_settled", reason=error.what)

    def _in_force(self, connection: Connection) -> Preferences:
        """Return the preferences as this transaction sees them.

        Memory is behind when another publication stands in the same group, or another replica's.
        """
        position = revision_rows.position_of(connection)
        known = self._current
        if position == known.position:
            return known
        last = self._last_made  # its transaction may have come to nothing
        if last.position == position and last.digest == history.digest_at(
            connection, position.revision
        ):
            return last
        if position.epoch != known.position.epoch or position.revision < known.position.revision:
            return load(connection)
        made = known
        for published in history.published_after(
            connection, known.position.revision, epoch=position.epoch, limit=1 << 31
        ):
            made = made.applied(published.documents, position=published.position)
        return made

    def _install(self, made: Preferences) -> None:
        mine, theirs = self._current.position, made.position
        if (theirs.epoch.generation, theirs.revision) > (mine.epoch.generation, mine.revision):
            self._current = made
            self._subscribers.wake()


def load(connection: Connection) -> Preferences:
    """Return the preferences that the database holds."""
    position = revision_rows.position_of(connection)
    revision_rows.put_right(connection)
    table = tables.document
    # In the order of their keys a million list entries are packed in one pass.
    columns = (table.c.kind, table.c.key, table.c.revision, table.c.body)
    rows = connection.execute(select(*columns).order_by(table.c.kind, table.c.key))
    documents = (Document(row.kind, row.key, row.revision, row.body) for row in rows)
    return Preferences.from_documents(documents, position=position)
