"""How are the preferences kept, and read again?

Touches the database. The preferences in force are also in memory: they change only after the
commit, so that nobody is told of a revision that a crash could take back.

Long because a change, its history and what is in force then are one transaction.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from common.clock import Clock
from common.preferences import Document, Epoch, Kind, Position, Preferences
from common.preferences.loops import OurHosts
from common.preferences.weights import AllWeights
from common.records.bounds import NAME_LENGTH_MAX, storable
from common.tasks import finish
from core.preferences.epochs import next_generation
from core.preferences.header_patterns import refuse_many_header_patterns
from core.preferences.ledger import (
    Change,
    Published,
    Revision,
    Snapshot,
    UnknownRevision,
    next_position,
    plan,
    restored,
)
from core.preferences.past_weights import weights_at
from core.preferences.yara_rules import refuse_unusable_rules
from core.store import history, tables
from core.store.audit import write_entry
from core.store.subscribers import Subscribers
from core.store.writer import StoreReaders, StoreWriter

_Proposal = Callable[[Connection, Preferences], Sequence[Document]]


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

        made = await self._publish(
            proposed,
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
            proposed, what="preferences.adopt", who=who, comment="first revision"
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
                connection, revision, epoch=epoch, limit=limit
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
            ours = _position(connection).epoch.generation
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
            return load(connection)

        async def renew() -> Epoch:
            made = await self._writer.run(work)
            self._install(made)
            return made.position.epoch

        return await finish(renew())

    async def _publish(
        self, proposed: _Proposal, *, what: str, who: str, comment: str, base: int | None = None
    ) -> Preferences:
        now_us = self._clock.now_us()

        def work(connection: Connection) -> Preferences:
            current = _in_force(connection, self._current)
            planned = plan(current, proposed(connection, current), base=base, ours=self.ours)
            if not planned.changes:
                return current
            position = next_position(current.position, current.position.epoch)
            made = current.applied(planned.documents, position=position)
            refuse_unusable_rules(made, planned.documents)
            refuse_many_header_patterns(made, planned.documents)
            _write(connection, made, planned.changes, now_us=now_us, who=who, comment=comment)
            write_entry(
                connection,
                now_us=now_us,
                who=who,
                what=what,
                subject=f"revision {position.revision}",
                detail=comment,
            )
            return made

        async def publish() -> Preferences:
            made = await self._writer.run(work)
            self._install(made)
            return made

        # A caller that gives up between commit and here must not leave memory behind the disk.
        return await finish(publish())

    def _install(self, made: Preferences) -> None:
        mine, theirs = self._current.position, made.position
        if (theirs.epoch.generation, theirs.revision) > (mine.epoch.generation, mine.revision):
            self._current = made
            self._subscribers.wake()


def load(connection: Connection) -> Preferences:
    """Return the preferences that the database holds."""
    table = tables.document
    # In the order of their keys a million list entries are packed in one pass.
    columns = (table.c.kind, table.c.key, table.c.revision, table.c.body)
    rows = connection.execute(select(*columns).order_by(table.c.kind, table.c.key))
    documents = (Document(row.kind, row.key, row.revision, row.body) for row in rows)
    return Preferences.from_documents(documents, position=_position(connection))


def _position(connection: Connection) -> Position:
    # On a server this row is the lock that makes two replicas publish one after the other.
    row = connection.execute(select(tables.epoch).with_for_update()).one()
    newest = connection.scalar(select(func.max(tables.revision.c.number))) or 0
    return Position(Epoch(row.generation, row.identifier), newest)


def _in_force(connection: Connection, known: Preferences) -> Preferences:
    """Return the preferences as this transaction sees them.

    Memory is behind when another publication stands in the same group, or another replica's.
    """
    position = _position(connection)
    if position == known.position:
        return known
    if position.epoch != known.position.epoch or position.revision < known.position.revision:
        return load(connection)
    made = known
    for published in history.published_after(
        connection, known.position.revision, epoch=position.epoch, limit=1 << 31
    ):
        made = made.applied(published.documents, position=published.position)
    return made


def _write(
    connection: Connection,
    made: Preferences,
    changes: Sequence[Change],
    *,
    now_us: int,
    who: str,
    comment: str,
) -> None:
    number = made.position.revision
    connection.execute(
        insert(tables.revision).values(
            number=number,
            time_us=now_us,
            who=storable(who, length_max=NAME_LENGTH_MAX),
            comment=storable(comment),
            documents=len(changes),
            digest=made.digest,
        )
    )
    connection.execute(
        insert(tables.change),
        [
            {
                "revision": number,
                "place": place,
                "kind": str(change.kind),
                "key": change.key,
                "scope": change.scope,
                "before": change.before,
                "after": change.after,
            }
            for place, change in enumerate(changes)
        ],
    )
    _replace_documents(connection, number, changes)


def _replace_documents(connection: Connection, number: int, changes: Sequence[Change]) -> None:
    table = tables.document
    gone = [{"old_kind": str(c.kind), "old_key": c.key} for c in changes if c.before is not None]
    if gone:
        connection.execute(
            delete(table).where(
                table.c.kind == bindparam("old_kind"), table.c.key == bindparam("old_key")
            ),
            gone,
        )
    live = [
        {"kind": str(c.kind), "key": c.key, "revision": number, "body": c.after}
        for c in changes
        if c.after is not None
    ]
    if live:
        connection.execute(insert(table), live)
