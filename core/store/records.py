"""How are records taken in, durably and once?

Touches the database. One transaction holds the raw records, what they change, and the new position
of their outbox; its end is what the durable sequence vouches for. Source: promises P2, P7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from common.chain import NO_CHAIN, ChainPoint
from common.clock import Clock
from common.identity import ShardIdentity, check_identity
from common.records import (
    FIELDS_BYTES_MAX,
    AnyRecord,
    FieldsUnreadable,
    LogRecord,
    RefusedRecord,
    ReleasedRecord,
    ScannedRecord,
    SpoolDamagedRecord,
    WaitingRecord,
    read,
)
from common.records.bounds import LABEL_LENGTH_MAX, storable
from core.records import intake
from core.records.lives import chain_after, check_repeat
from core.records.look_report import LookGroup
from core.records.looks import LookCounts, day_of
from core.records.lost import LOST
from core.records.messages import Message
from core.records.refusals import RefusalReport
from core.records.reports import EVER_US, Report, ReportGroup
from core.store import (
    counts,
    incarnations,
    late_rows,
    look_rows,
    lost,
    message_rows,
    outbox_rows,
    refusal_rows,
    release_rows,
    searches,
    tables,
)
from core.store.bulk import inserting
from core.store.preferences import PreferenceStore
from core.store.writer import StoreReaders, StoreWriter

_insert_records = inserting(tables.log_record)


class RecordStore:
    """The records, what follows from them, and the questions about them."""

    def __init__(
        self,
        writer: StoreWriter,
        readers: StoreReaders,
        clock: Clock,
        preferences: PreferenceStore,
        *,
        second_look_hours: float,
    ) -> None:
        self._second_look_hours = second_look_hours
        self._writer = writer
        self._reader = readers.people
        self._clock = clock
        self._preferences = preferences

    async def last_sequence(self, identity: ShardIdentity) -> int:
        """Return the last record of this outbox that is durable; see ``position``."""
        return (await self.position(identity)).sequence

    async def position(self, identity: ShardIdentity) -> ChainPoint:
        """Return the last record of this outbox that is durable, and the digest up to there.

        Raises:
            IdentityRefused: it names no shard.
            Fenced: a later life of the shard has spoken, or this is a copy of its spool.
            TooManyLives: its node has begun too many.
        """
        check_identity(identity)
        now_us = self._clock.now_us()

        def work(connection: Connection) -> ChainPoint:
            incarnations.enter(connection, identity, now_us=now_us)
            known = outbox_rows.read(connection, identity)
            return known.point if known is not None else NO_CHAIN

        return await self._writer.run(work)

    async def take(
        self,
        identity: ShardIdentity,
        records: Sequence[LogRecord],
        *,
        chain: ChainPoint | None = None,
    ) -> int:
        """Take records in and return the last sequence that is durable.

        Those that are here already have no effect. Whatever a record holds, it is kept: one that
        cannot be read, or speaks of another shard's message, is kept with a flaw.

        Args:
            identity: who sent them.
            records: in order.
            chain: what the sender has at the last of them; None from a version before.

        Raises:
            IdentityRefused: it names no shard.
            Fenced: a later life of the shard has spoken, or this is a copy of its spool.
            SequenceGap: a record is missing before these; none was taken.
            PeerError: they cannot be compared with what is here.
            StoreFailure, DiskFull: none was taken.
        """
        check_identity(identity)
        preferences = self._preferences.current
        now_us = self._clock.now_us()

        def customer_of(domain: str) -> str:
            route = preferences.route(domain)
            return route.customer if route else ""

        def work(connection: Connection) -> int:
            incarnations.enter(connection, identity, now_us=now_us)
            known = outbox_rows.read(connection, identity)
            point = known.point if known is not None else NO_CHAIN
            fresh = intake.unseen(identity, records, last_sequence=point.sequence)
            if not fresh:
                check_repeat(identity, known=point, told=chain)
                return point.sequence
            digest = chain_after(identity, fresh, known=point, told=chain)
            known = known or outbox_rows.begin(connection, identity)
            _take(
                connection,
                identity,
                outbox_rows.not_known_before(connection, identity, fresh, carried=known.carried),
                now_us=now_us,
                customer_of=customer_of,
                hours=self._second_look_hours,
            )
            last = ChainPoint(fresh[-1].sequence, digest)
            outbox_rows.advance(connection, identity, last)
            return last.sequence

        return await self._writer.run(work)

    async def track(self, query: str, *, limit: int = 100) -> list[dict[str, Any]]:
        """Return what is known of messages, the newest first, in the shape of ``track --json``.

        Args:
            query: our id, a Message-ID in ``<>``, an address, a domain or a client's IP address;
                anything else finds nothing.
            limit: at most so many messages.
        """
        return await self._reader.run(lambda c: searches.track(c, query, limit=limit))

    async def judged(self, *, before: str = "", limit: int = 100) -> dict[str, Any]:
        """Return ``messages``, what the newest ones were judged by, and ``next``.

        Args:
            before: an id; only older ones. Empty: the newest of all.
            limit: looks at so many messages; those that nobody judged are left out. ``next`` is
                where the older ones begin, empty: there are none.
        """
        return await self._reader.run(lambda c: searches.judged(c, before=before, limit=limit))

    async def refusals(self, query: str, *, limit: int = 100) -> list[dict[str, Any]]:
        """Return what was refused, the newest first.

        Args:
            query: an address or domain of a sender or recipient, or a client's IP address.
            limit: at most so many records; a sum is one.
        """
        return await self._reader.run(lambda c: refusal_rows.found(c, query, limit=limit))

    async def refusal_report(self, *, since_us: int = 0, until_us: int = EVER_US) -> dict[str, Any]:
        """Return how much was refused in a time, by reason, and of whom most."""

        def read(connection: Connection) -> RefusalReport:
            return refusal_rows.report(connection, since_us=since_us, until_us=until_us)

        return (await self._reader.run(read)).as_json()

    async def look_report(
        self,
        by: LookGroup,
        *,
        sites: Mapping[str, str],
        site: str | None = None,
        since_us: int = 0,
        until_us: int = EVER_US,
        limit: int = 1_000,
    ) -> dict[str, Any]:
        """Return what engines found, how fast they were and how often they kept silent.

        Args:
            by, sites, limit: as for ``report``.
            site: of this one alone; None: of all.
            since_us, until_us: counted is each day, UTC, that has a part in this time.
        """

        def read(connection: Connection) -> dict[str, Any]:
            return look_rows.look_report(
                connection,
                by,
                sites=sites,
                site=site,
                since_us=since_us,
                until_us=until_us,
                limit=limit,
            )

        return await self._reader.run(read)

    async def node_events(
        self, *, node: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return the newest events in the lives of nodes, the newest first."""
        return await self._reader.run(lambda c: searches.node_events(c, node=node, limit=limit))

    async def report(
        self,
        by: ReportGroup,
        *,
        sites: Mapping[str, str],
        since_us: int = 0,
        until_us: int = EVER_US,
        limit: int = 1_000,
    ) -> dict[str, Any]:
        """Return how mail ended, in groups.

        Args:
            by: what the groups are.
            sites: the site of each node; a node that is not there is its own.
            since_us: mail received from this time on, microseconds since the epoch, UTC.
            until_us: and before this one.
            limit: at most so many groups, the busiest.
        """

        def read(connection: Connection) -> Report:
            return counts.report(
                connection, by, sites=sites, since_us=since_us, until_us=until_us, limit=limit
            )

        return (await self._reader.run(read)).as_json()


@dataclass(slots=True)
class _Taking:
    """The messages that a batch of records changes, and the rows that it leaves."""

    identity: ShardIdentity
    now_us: int
    customer_of: intake.CustomerOf
    messages: dict[str, Message]
    changed: dict[str, Message] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    refused: list[refusal_rows.Told] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # messages that their spool names as such
    looks: LookCounts = field(default_factory=LookCounts)
    late: late_rows.ToldContents = field(default_factory=late_rows.ToldContents)

    def take(self, connection: Connection, record: LogRecord) -> None:
        """Fold one record into its message and keep it."""
        flaw = intake.flaw_of(record)
        if not flaw:
            try:
                flaw = self._fold(connection, record, read(record.event, record.fields))
            except FieldsUnreadable as error:
                flaw = str(error)
        self.rows.append(self._row(record, flaw))

    def _fold(self, connection: Connection, told: LogRecord, record: AnyRecord) -> str:
        if not told.message_id:
            if isinstance(record, RefusedRecord):
                self.refused.append((told.sequence, intake.record_time_us(told), record))
            if isinstance(record, SpoolDamagedRecord):
                self.lost.update(record.messages)
            return ""
        message = self.messages.get(told.message_id)
        if message is None:
            message = intake.new_message(told, self.identity)
            self.messages[message.id] = message
        counts_finds = isinstance(record, ScannedRecord) and not message.is_judged
        flaw = intake.apply(
            message, told, record, identity=self.identity, customer_of=self.customer_of
        )
        if (message.node, message.shard) == self.identity.place:
            self.changed[message.id] = message
            if isinstance(record, ScannedRecord | WaitingRecord):
                self.looks.add(
                    record.verdicts,
                    day=day_of(intake.record_time_us(told), now_us=self.now_us),
                    counts_finds=counts_finds,
                )
            self.late.take(message.id, record)
            if isinstance(record, ReleasedRecord):
                flaw = release_rows.finish(
                    connection,
                    self.identity,
                    record.release_id,
                    released_as=message.id,
                    now_us=self.now_us,
                )
        return flaw

    def _row(self, record: LogRecord, flaw: str) -> tuple[Any, ...]:
        """Return the row of ``log_record``, in the order of its columns."""
        return (
            self.identity.node,
            self.identity.shard,
            self.identity.incarnation,
            record.sequence,
            intake.record_time_us(record),
            self.now_us,
            storable(record.event, length_max=LABEL_LENGTH_MAX),
            storable(record.message_id, length_max=LABEL_LENGTH_MAX),
            record.fields[:FIELDS_BYTES_MAX],
            flaw,
        )


def _take(
    connection: Connection,
    identity: ShardIdentity,
    records: Sequence[LogRecord],
    *,
    now_us: int,
    customer_of: intake.CustomerOf,
    hours: float,
) -> None:
    ids = sorted({r.message_id for r in records if r.message_id and not intake.flaw_of(r)})
    messages = message_rows.load(connection, ids)
    known = {identifier: message_rows.rows_of(one) for identifier, one in messages.items()}
    again = [
        one.id
        for one in messages.values()
        if any(copy.state == LOST for copy in one.copies.values())
    ]
    taking = _Taking(identity=identity, now_us=now_us, customer_of=customer_of, messages=messages)
    for record in records:
        taking.take(connection, record)
    message_rows.save(connection, taking.changed.values(), known=known)
    lost.found_again(connection, [one for one in again if one in taking.changed])
    lost.named_by_a_spool(connection, identity, taking.lost, now_us=now_us)
    _insert_records.run(connection, taking.rows)
    refusal_rows.insert(connection, identity, taking.refused)
    look_rows.add(connection, identity.node, taking.looks)
    late_rows.compare(connection, taking.late, node=identity.node, now_us=now_us, hours=hours)
