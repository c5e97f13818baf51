"""How do concurrent changes share one commit?

Touches the writing connection and one thread. SQL runs in the event loop, only COMMIT, which waits
for the disk, runs in the thread; what gathers meanwhile is the next transaction. Changes that take
long together, such as those of messages with a thousand recipients, run in several steps of the
loop. Under load commits start at least 4 ms apart so that more changes share a sync; a spool with
little to do commits at once, since there a message would wait twice for nobody.

While COMMIT runs nothing else touches the connection: a statement would block the event loop. The
same goes for what is done to the file as a whole, which waits until no change does.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import apsw
import structlog

from common.clock import Clock
from common.errors import BorderScoutError, EnvironmentFailure
from common.records import LogRecord, Record, written
from common.states import State
from satellite.spool.disk import schema
from satellite.spool.disk.sqlite_failures import Ailment, ailment_of, failure_of
from satellite.spool.listeners import MailEnd

log = structlog.get_logger()

SPACING_S = 0.004  # between the starts of two commits, measured: 4 ms gave the highest rate

STEP_S = 0.008  # of changes in one step of the event loop; then others have their turn

REFUSED_MAX = 3  # after so many commits in a row that the disk refused, another process tries

ROW_BYTES = 80  # of a record in the outbox, beside its fields

# This many changes within this time are load: some 130 messages a second. Below it each commit
# would be of one change whether it waited or not.
BUSY_CHANGES = 16
BUSY_S = 0.04


class Transaction:
    """What one commit will hold. An operation checks everything before it writes anything."""

    def __init__(self, cursor: apsw.Cursor, *, now_us: int, sequence: int) -> None:
        self._cursor = cursor
        # Run one statement that has no rows: it is done at once, and nobody fetches any.
        self.write: Callable[[str, tuple[Any, ...]], object] = cursor.execute
        self.now_us = now_us
        self.sequence = sequence
        self.records: list[LogRecord] = []
        self.moves: defaultdict[State, int] = defaultdict(int)
        self.stored_bytes = 0  # octets of bodies that came, less those that went
        self.outbox_bytes = 0  # octets of records that came, less those that went
        self.ends: list[MailEnd] = []
        self.after: list[Callable[[], None]] = []

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return self._cursor.execute(sql, values).fetchall()

    def record(self, record: Record, message_id: str = "") -> None:
        """Write a log record in the same transaction as the change that it tells of (P2).

        One that names very many recipients becomes several.

        Args:
            record: what has happened.
            message_id: to which message; empty: to the node.
        """
        for fields in written(record):
            self.sequence += 1
            self.records.append(
                LogRecord(self.sequence, self.now_us, record.event, message_id, fields)
            )

    def write_records(self) -> None:
        """Write the records of all operations at once, before the commit."""
        self.outbox_bytes += sum([len(r.fields) + ROW_BYTES for r in self.records])
        self._cursor.executemany(
            "INSERT INTO outbox VALUES (?,?,?,?,?)",
            [(r.sequence, r.time_us, r.event, r.message_id, r.fields) for r in self.records],
        )

    def moved(self, before: State | None, after: State | None) -> None:
        """Count a recipient out of one state and into another."""
        if before is not None:
            self.moves[before] -= 1
        if after is not None:
            self.moves[after] += 1


# What a change does; a long one has its parts between what it yields, and others the loop.
Operation = Callable[[Transaction], Iterator[None] | None]
Maintenance = Callable[[apsw.Connection], None]
_END = object()
_Pending = tuple[Operation, asyncio.Future[None]]


class Commits:
    """Group commit over one connection."""

    def __init__(
        self,
        connection: apsw.Connection,
        *,
        clock: Clock,
        sequence: int,
        committed: Callable[[Transaction], None],
        broke: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._clock = clock
        self._committed = committed
        self._broke = broke
        self._loop = asyncio.get_running_loop()
        self._pending: list[_Pending] = []
        self._busy = False
        self._due = False
        self._last_start = 0.0
        self._added_s: deque[float] = deque(maxlen=BUSY_CHANGES)
        self._closing: asyncio.Future[None] | None = None
        self.sequence = sequence
        self.broken: str = ""  # why the file must not be trusted any more
        self.is_damaged = False
        self._refused = 0  # commits in a row, by a disk that is not full
        self.log_pages = 0  # of the write-ahead log; grows while somebody else reads the file
        connection.set_wal_hook(self._log_has_grown)
        self._maintenance: deque[tuple[Maintenance, asyncio.Future[None]]] = deque()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._running: list[asyncio.Future[None]] = []
        self._parts: Iterator[None] | None = None  # what is left of a change that has begun
        self._thread = threading.Thread(target=self._work_forever, name="commit", daemon=True)
        self._thread.start()

    def add(self, operation: Operation) -> asyncio.Future[None]:
        """Return a future that is done when the operation is on disk.

        It fails with what the operation raised, with ``DiskFull``, or with ``EnvironmentFailure``
        when the disk refused the commit; then nothing of the operation was written.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        if self.broken:
            future.set_exception(EnvironmentFailure(self.broken))
            return future
        self._pending.append((operation, future))
        self._added_s.append(self._loop.time())
        self._kick()
        return future

    async def maintain(self, work: Maintenance) -> None:
        """Do something to the file in the commit's thread, once nothing waits for a commit.

        Raises:
            EnvironmentFailure: the disk refused it.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        self._maintenance.append((work, future))
        if not (self._busy or self._due):
            self._next()
        await future

    async def close(self) -> None:
        """Commit what is pending, then end the thread."""
        if self._busy or self._due or self._pending:
            self._closing = self._loop.create_future()
            await self._closing
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        if self.broken:  # closing must not sync again what could not be synced
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)

    @property
    def is_busy(self) -> bool:
        """Whether so much comes in that it shares commits."""
        return self._is_busy(self._loop.time())

    def give_up(self, reason: str, *, is_damage: bool = False) -> None:
        """Commit nothing more: the disk failed so that only another process can go on.

        The worker ends; recovery reads what the disk really has.

        Args:
            reason: what happened.
            is_damage: the file does not hold together.
        """
        if not self.broken:
            self.broken, self.is_damaged = reason, is_damage
            log.error("spool.broken", reason=reason)
            self._broke()

    def _look_at(self, error: apsw.Error) -> None:
        self._refused += isinstance(error, apsw.IOError)
        ailment = ailment_of(error)
        if ailment is not Ailment.PASSING or self._refused >= REFUSED_MAX:
            self.give_up(failure_of(error).what, is_damage=ailment is Ailment.DAMAGED)

    def _kick(self) -> None:
        if self._busy or self._due:
            return
        self._due = True
        now_s = self._loop.time()
        wait_s = self._last_start + SPACING_S - now_s
        if wait_s > 0.0002 and self._is_busy(now_s):
            self._loop.call_later(wait_s, self._start)
        else:
            self._loop.call_soon(self._start)  # what else is ready in this turn comes along

    def _is_busy(self, now_s: float) -> bool:
        """Say whether so much comes in that a commit is worth waiting for more."""
        added_s = self._added_s
        return len(added_s) == BUSY_CHANGES and now_s - added_s[0] < BUSY_S

    def _start(self) -> None:
        self._due, self._last_start = False, self._loop.time()
        pending, self._pending = self._pending, []
        if self.broken:  # what gathered while the disk failed is not tried on it
            self._fail([future for _, future in pending], EnvironmentFailure(self.broken))
            self._next()
            return
        self._busy, self._running = True, []
        transaction = Transaction(self._cursor, now_us=self._clock.now_us(), sequence=self.sequence)
        self._go_on(transaction, deque(pending), begin=True)

    def _go_on(
        self, transaction: Transaction, left: deque[_Pending], *, begin: bool = False
    ) -> None:
        """Run the changes of a transaction, or as many of them as a step has time for."""
        if self.broken:  # since the step before: the reader met damage
            self._take_back(left, EnvironmentFailure(self.broken))
            return
        try:
            if begin:
                self._cursor.execute("BEGIN IMMEDIATE")
            self._run(transaction, left)
            if not left:
                transaction.write_records()
        except apsw.Error as error:
            self._look_at(error)
            self._take_back(left, failure_of(error))
            return
        except BaseException:
            # A fault of ours, such as text that SQLite cannot hold. Nobody may wait for ever for
            # a commit that does not come, and half an operation must not be committed.
            what = "a step of the spool failed, and nothing of it was written"
            hint = "its cause: journalctl -u borderscout-satellite"
            self._take_back(left, EnvironmentFailure(what, hint=hint))
            raise
        if left:
            self._loop.call_soon(self._go_on, transaction, left)
        else:
            self._jobs.put(partial(self._commit, transaction))

    def _run(self, transaction: Transaction, left: deque[_Pending]) -> None:
        end_s = self._clock.monotonic_s() + STEP_S
        while left:
            operation, future = left[0]
            try:
                parts = self._parts or operation(transaction)
                self._parts = parts if parts is not None and _has_more(parts) else None
            except BorderScoutError as error:  # it wrote nothing: it checks before it writes
                self._fail([future], error)
                left.popleft()
            else:
                if self._parts is None:
                    self._running.append(future)
                    left.popleft()
            if self._clock.monotonic_s() >= end_s:
                return

    def _take_back(self, left: deque[_Pending], failure: BorderScoutError) -> None:
        """Undo a transaction, of which some changes are still to be run."""
        futures, self._running = [*self._running, *(future for _, future in left)], []
        self._parts = None
        self._roll_back()
        self._fail(futures, failure)
        self._free()

    def _log_has_grown(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self.log_pages = pages
        return apsw.SQLITE_OK

    def _work_forever(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _commit(self, transaction: Transaction) -> None:
        error = _error_of(self._cursor.execute, "COMMIT")
        is_due = error is None and self.log_pages >= schema.CHECKPOINT_PAGES
        self._loop.call_soon_threadsafe(self._finished, transaction, error, is_due)
        if is_due:
            # After the acknowledgements, which need not wait for it; and not by SQLite itself,
            # which would not tell that the disk refused it.
            error = _error_of(self._connection.wal_checkpoint)
            self._loop.call_soon_threadsafe(self._checkpointed, error)

    def _maintain(self, work: Maintenance, future: asyncio.Future[None]) -> None:
        error = _error_of(work, self._connection)
        self._loop.call_soon_threadsafe(self._maintained, error, future)

    def _maintained(self, error: apsw.Error | None, future: asyncio.Future[None]) -> None:
        if error is not None:
            self._look_at(error)
            self._fail([future], failure_of(error))
        elif not future.done():
            future.set_result(None)
        self._free()

    def _finished(
        self, transaction: Transaction, error: apsw.Error | None, is_checkpoint_due: bool
    ) -> None:
        futures, self._running = self._running, []
        if error is not None:
            self._roll_back()
            self._look_at(error)
            self._fail(futures, failure_of(error))
        else:
            self._refused = 0
            self.sequence = transaction.sequence
            self._committed(transaction)
            for future in futures:
                if not future.done():
                    future.set_result(None)
            for step in transaction.after:
                step()
        if not is_checkpoint_due:
            self._free()

    def _checkpointed(self, error: apsw.Error | None) -> None:
        if error is not None:
            log.error("spool.checkpoint_failed", reason=str(error), pages=self.log_pages)
            self._look_at(error)
        self._free()

    def _free(self) -> None:
        self._busy = False
        self._next()

    def _next(self) -> None:
        if self._pending:
            self._kick()
        elif self._maintenance and self._closing is None:
            work, future = self._maintenance.popleft()
            if self.broken:
                self._fail([future], EnvironmentFailure(self.broken))
                self._next()
            else:
                self._busy = True
                self._jobs.put(partial(self._maintain, work, future))
        elif self._closing is not None and not self._closing.done():
            self._closing.set_result(None)

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._cursor.execute("ROLLBACK")
        except apsw.Error as error:
            self.give_up(failure_of(error).what)

    def _fail(self, futures: list[asyncio.Future[None]], error: BorderScoutError) -> None:
        for future in futures:
            if not future.done():
                future.set_exception(error)


def _has_more(parts: Iterator[None]) -> bool:
    """Do the next part of a change; return whether there is more."""
    return next(parts, _END) is not _END


def _error_of(step: Callable[..., object], *values: object) -> apsw.Error | None:
    try:
        step(*values)
    except apsw.Error as error:
        return error
    return None
