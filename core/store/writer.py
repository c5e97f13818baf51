"""How do many writers share one connection, and how do readers stay out of their way?

Touches the database, from threads: an event loop never waits for a disk here. Everybody who waits
when the writing thread is free goes into one transaction, so that six shards cost one sync; each
has a savepoint, so that a refused one takes nothing with it. A result is given out after the
commit and never before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from common.errors import BorderScoutError, DiskFull
from core.store.dialect import failure_of, reading_engine
from core.store.disk_room import DiskRoom

PEOPLE_READERS = 3  # searches, reports and pages at once; the others wait for them alone
LINK_READERS = 2  # the feed's and the link's look-ups, each by a key
GROUP_MAX = 64  # transactions in one commit: bounds how long the first one waits for its result

T = TypeVar("T")


class _Job:
    """One transaction that waits for its turn."""

    __slots__ = ("future", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


class StoreWriter:
    """The one thread and connection that write.

    Args:
        engine: of that connection.
        room: told of writes that had none.
    """

    def __init__(self, engine: Engine, room: DiskRoom | None = None) -> None:
        self._engine = engine
        self._room = room
        self._waiting: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Return what ``work`` made of the connection, once it is durable.

        ``work`` may run a second time, by itself, when its group could not be committed: it must
        change nothing but the database. A caller who is cancelled before it began leaves no trace.

        Raises:
            BorderScoutError: what ``work`` refused with; it wrote nothing.
            StoreFailure, DiskFull: nothing was written.
        """
        job = _Job(work)
        self._waiting.append(job)
        self._thread.submit(self._commit_waiting)
        result: T = await asyncio.wrap_future(job.future)
        return result

    async def close(self) -> None:
        """Return when all that was handed in is committed and the connection is closed."""
        await asyncio.to_thread(self._thread.shutdown)
        self._engine.dispose()

    def _commit_waiting(self) -> None:
        group: list[_Job] = []
        while self._waiting and len(group) < GROUP_MAX:
            job = self._waiting.popleft()
            if job.future.set_running_or_notify_cancel():
                group.append(job)
        if group:
            self._commit(group)

    def _commit(self, group: list[_Job]) -> None:
        try:
            outcomes = self._transact(group)
        except SQLAlchemyError as error:
            if len(group) > 1:
                self._commit_each(group)
            else:
                failure = failure_of(error)
                if self._room is not None and isinstance(failure, DiskFull):
                    self._room.refused(failure.what)
                group[0].future.set_exception(failure)
        except BaseException as error:
            for job in group:
                job.future.set_exception(error)
            raise
        else:
            for job, outcome in zip(group, outcomes, strict=True):
                _deliver(job, outcome)

    def _commit_each(self, group: list[_Job]) -> None:
        """Commit each by itself: whoever broke the group must not take the others with it."""
        try:
            self._commit(group[:1])
        finally:
            if group[1:]:
                self._commit_each(group[1:])

    def _transact(self, group: list[_Job]) -> list[Any]:
        with self._engine.begin() as connection:
            return [_attempt(connection, job) for job in group]


class _Refusal:
    """A job's own error, on its way out until the others are committed."""

    __slots__ = ("error",)

    def __init__(self, error: BorderScoutError) -> None:
        self.error = error


def _attempt(connection: Connection, job: _Job) -> Any:
    savepoint = connection.begin_nested()
    try:
        result = job.work(connection)
    except BorderScoutError as error:
        savepoint.rollback()
        return _Refusal(error)
    savepoint.commit()
    return result


def _deliver(job: _Job, outcome: Any) -> None:
    if isinstance(outcome, _Refusal):
        job.future.set_exception(outcome.error)
    else:
        job.future.set_result(outcome)


class StoreReader:
    """A few threads and connections that read.

    Args:
        url: of the database.
        threads: how many, and how many connections.
        name: of the threads.
    """

    def __init__(self, url: URL, *, threads: int, name: str) -> None:
        self._engine = reading_engine(url, connections=threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Return what ``work`` read, all of it at one instant.

        Raises:
            StoreFailure: the database cannot be read.
        """
        return await asyncio.wrap_future(self._threads.submit(self._read, work))

    async def close(self) -> None:
        """Return when the last reading is done and its connections are closed."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise failure_of(error) from error


@dataclass(frozen=True, slots=True)
class StoreReaders:
    """Who reads: a search that takes long makes other searches wait, and never the link.

    Args:
        people: for searches, reports and what is shown.
        link: for what a satellite waits for.
    """

    people: StoreReader
    link: StoreReader

    @classmethod
    def of(cls, url: URL) -> Self:
        """Return the readers of a database."""
        return cls(
            people=StoreReader(url, threads=PEOPLE_READERS, name="store-people"),
            link=StoreReader(url, threads=LINK_READERS, name="store-link"),
        )

    async def close(self) -> None:
        """Return when the last reading is done and its connections are closed."""
        await self.people.close()
        await self.link.close()
