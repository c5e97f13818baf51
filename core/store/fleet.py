"""What did each shard last say of itself?

Touches the database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from common.clock import Clock
from common.identity import ShardIdentity, check_identity
from core.records.lives import WHY_LENGTH_MAX, ForkMark, LifeStanding, read_forks
from core.store import incarnations, tables
from core.store.writer import StoreReaders, StoreWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRow:
    """One shard in its newest life.

    Args:
        node: the node's name.
        shard: its number.
        incarnation: the newest life that has spoken.
        first_seen_us: when the shard was first heard of, microseconds since the epoch, UTC.
        last_seen_us: when it last said something of itself.
        hello: what it said when it came.
        report: what it said last.
    """

    node: str
    shard: int
    incarnation: str
    first_seen_us: int
    last_seen_us: int
    hello: dict[str, Any]
    report: dict[str, Any]
    forks: tuple[ForkMark, ...] = ()  # processes of this life that may not speak


class FleetStore:
    """The table of shards."""

    def __init__(self, writer: StoreWriter, readers: StoreReaders, clock: Clock) -> None:
        self._writer = writer
        self._reader = readers.people
        self._clock = clock

    async def note_life(self, identity: ShardIdentity) -> LifeStanding:
        """Take note of a shard's life, fence its earlier ones, and say how it stands.

        Raises:
            IdentityRefused: it names no shard.
            Fenced: a later life of it has spoken.
            TooManyLives: its node has begun too many.
        """
        check_identity(identity)
        now_us = self._clock.now_us()
        return await self._writer.run(lambda c: incarnations.let_in(c, identity, now_us=now_us))

    async def note_hello(self, identity: ShardIdentity, hello: Mapping[str, Any]) -> LifeStanding:
        """Keep what a shard said when it came, fence its earlier lives, and say how it stands.

        Raises:
            IdentityRefused: it names no shard.
            Fenced: a later life of it has spoken.
            TooManyLives: its node has begun too many.
        """
        return await self._note(identity, "hello", hello)

    async def note_report(self, identity: ShardIdentity, report: Mapping[str, Any]) -> LifeStanding:
        """Keep what a shard says of itself, and say how it stands.

        Raises:
            IdentityRefused: it names no shard.
            Fenced: a later life of it has spoken.
            TooManyLives: its node has begun too many.
        """
        return await self._note(identity, "report", report)

    async def note_fork(self, identity: ShardIdentity, why: str) -> bool:
        """Let this process speak no more for its shard; return whether that is new.

        One of a version before, which does not say who it is, cannot be told from the other.
        """
        mark = ForkMark(run=identity.run, found_us=self._clock.now_us(), why=why[:WHY_LENGTH_MAX])
        return await self._writer.run(lambda c: incarnations.mark_fork(c, identity, mark))

    async def shards(self) -> list[ShardRow]:
        """Return every shard that was ever heard of, sorted."""
        table = tables.shard
        query = select(table).order_by(table.c.node, table.c.shard)

        def read(connection: Connection) -> list[ShardRow]:
            return [
                ShardRow(
                    node=row.node,
                    shard=row.shard,
                    incarnation=row.incarnation,
                    first_seen_us=row.first_seen_us,
                    last_seen_us=row.last_seen_us,
                    hello=json.loads(row.hello),
                    report=json.loads(row.report),
                    forks=read_forks(row.forks),
                )
                for row in connection.execute(query)
            ]

        return await self._reader.run(read)

    async def _note(
        self, identity: ShardIdentity, column: str, told: Mapping[str, Any]
    ) -> LifeStanding:
        check_identity(identity)
        text = json.dumps(told, separators=(",", ":"))
        now_us = self._clock.now_us()
        table = tables.shard

        def work(connection: Connection) -> LifeStanding:
            standing = incarnations.let_in(connection, identity, now_us=now_us)
            connection.execute(
                update(table)
                .where(table.c.node == identity.node, table.c.shard == identity.shard)
                .values({column: text, "last_seen_us": now_us})
            )
            return standing

        return await self._writer.run(work)
