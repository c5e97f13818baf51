"""Where is everything that the core knows?

Touches the database, and the lock beside a file of SQLite.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL, Connection, insert, select

from common.clock import Clock
from common.preferences import Epoch, Preferences
from common.preferences.loops import NO_HOSTS, OurHosts
from common.settings.core import SECOND_LOOK_HOURS
from core.store import tables
from core.store.audit import AuditStore
from core.store.cases import CaseStore
from core.store.core_lock import take_lock
from core.store.dialect import (
    database_url,
    sqlite_file,
    writing_engine,
)
from core.store.disk_room import DiskRoom
from core.store.errors import StoreFailure
from core.store.fleet import FleetStore
from core.store.late import LateStore
from core.store.lessons import LessonStore
from core.store.lost import LostStore
from core.store.members import MemberStore
from core.store.preference_rows import PreferenceRows, mend_rows
from core.store.preferences import PreferenceStore, load
from core.store.records import RecordStore
from core.store.releases import ReleaseStore
from core.store.retention import RetentionStore
from core.store.revision_rows import put_right
from core.store.round_trips import RoundTripStore
from core.store.schema import bring_up
from core.store.writer import StoreReaders, StoreWriter


class Database:
    """The core's store: one object for each of its rooms."""

    def __init__(
        self,
        *,
        writer: StoreWriter,
        readers: StoreReaders,
        clock: Clock,
        preferences: Preferences,
        ours: OurHosts,
        lock: int | None,
        room: DiskRoom,
        second_look_hours: float,
    ) -> None:
        self.room = room
        self._writer = writer
        self._readers = readers
        self._lock = lock
        self.preferences = PreferenceStore(writer, readers, clock, preferences, ours)
        self.preference_rows = PreferenceRows(writer, readers, clock)
        self.records = RecordStore(
            writer, readers, clock, self.preferences, second_look_hours=second_look_hours
        )
        self.late = LateStore(writer, readers, clock, hours=second_look_hours)
        self.fleet = FleetStore(writer, readers, clock)
        self.lost = LostStore(writer, readers, clock)
        self.cases = CaseStore(writer, readers, clock, self.preferences)
        self.releases = ReleaseStore(writer, readers, clock)
        self.audit = AuditStore(writer, readers, clock)
        self.lessons = LessonStore(writer, readers, clock)
        self.members = MemberStore(writer, readers, clock)
        self.round_trips = RoundTripStore(writer, readers, clock)
        self.retention = RetentionStore(writer, readers)

    @classmethod
    async def open(
        cls,
        target: str | Path,
        *,
        clock: Clock,
        ours: OurHosts = NO_HOSTS,
        second_look_hours: float = SECOND_LOOK_HOURS,
    ) -> Self:
        """Return the store, made or brought up to this version.

        Args:
            target: the path of a SQLite file, or a URL of SQLite or PostgreSQL.
            clock: the time of everything that is written.
            ours: where no route may lead.
            second_look_hours: for so long the contents of delivered mail are compared.

        Raises:
            StoreFailure: it cannot be opened, another core has it, or a newer version made it.
        """
        url = database_url(target)
        file = sqlite_file(url)
        lock = await asyncio.to_thread(_take_lock, file) if file else None
        try:
            return await cls._open(
                url, clock=clock, ours=ours, lock=lock, second_look_hours=second_look_hours
            )
        except BaseException:  # cancelled too: what was begun is undone
            _give_up_lock(lock)
            raise

    @classmethod
    async def _open(
        cls, url: URL, *, clock: Clock, ours: OurHosts, lock: int | None, second_look_hours: float
    ) -> Self:
        room = DiskRoom(clock.monotonic_s)
        file = sqlite_file(url)
        if file is not None:
            room.watch(file.parent)
        writer = StoreWriter(writing_engine(url), room)
        try:
            preferences = await writer.run(lambda c: _prepare(c, now_us=clock.now_us()))
            if file is not None:
                await asyncio.to_thread(_empty_log, file)
        except BaseException:  # cancelled too: what was begun is undone
            await writer.close()
            raise
        return cls(
            writer=writer,
            readers=StoreReaders.of(url),
            clock=clock,
            preferences=preferences,
            ours=ours,
            lock=lock,
            room=room,
            second_look_hours=second_look_hours,
        )

    @property
    def epoch(self) -> Epoch:
        """The life of this database."""
        return self.preferences.position.epoch

    async def close(self) -> None:
        """Return when everything handed in is durable and nothing is open any more."""
        await self.preferences.close()
        await (
            self._readers.close()
        )  # first of these: the last one to go writes the log into the database
        await self._writer.close()
        _give_up_lock(self._lock)
        self._lock = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _prepare(connection: Connection, *, now_us: int) -> Preferences:
    bring_up(connection)
    if connection.execute(select(tables.epoch)).first() is None:
        connection.execute(
            insert(tables.epoch).values(
                id=1, generation=1, identifier=str(uuid.uuid4()), created_us=now_us
            )
        )
    put_right(connection)
    mend_rows(connection, now_us=now_us)
    return load(connection)


def _empty_log(file: Path) -> None:
    """Write the log into the file, where its version is sought while we run.

    An older package asks the file alone before it is installed over us.
    """
    # What fails here is the next checkpoint's to tell: nothing is lost meanwhile.
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(file)) as beside:
        beside.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _take_lock(file: Path) -> int:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its log the mode of the database, so the database is made here, closed.
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
        return take_lock(file)
    except OSError as error:
        raise StoreFailure(f"{file} cannot be opened: {error.strerror}") from None


def _give_up_lock(lock: int | None) -> None:
    if lock is not None:
        os.close(lock)
