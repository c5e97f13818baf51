"""How do concurrent changes share one commit?

Touches the writing connection and one thread. SQL runs in the event loop, only COMMIT, which waits
for the disk, runs in the thread; what gathers meanwhile is the next transaction. Under load commits
start at least 4 ms apart so that more changes share a sync; a spool with little to do commits at
once, since there a message would wait twice for nobody.

While COMMIT runs nothing else touches the connection: a statement would block the event loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import apsw
import structlog

from common.clock import Clock
from common.errors import BorderScoutError, EnvironmentFailure
from common.records import LogRecord, Record, written
from common.states import State
from satellite.spool.disk import schema
from satellite.spool.disk.sqlite_failures import Ailment, ailment_of, failure_of

log = structlog.get_logger()

SPACING_S = 0.004  # between the starts of two commits, measured: 4 ms gave the highest rate

REFUSED_MAX = 3  # after so many commits in a row that the disk refused, another process tries


# This many changes within this time are load: some 130 messages a second. Below it each commit
# would be of one change whether it waited or not.
BUSY_CHANGES = 16
BUSY_S = 0.04


class Transaction:
    """What one commit will hold. An operation checks everything before it writes anything."""

    def __init__(self, cursor: apsw.Cursor, *, now_us: int, sequence: int) -> None:
        self._cursor = cursor
        self.now_us = now_us
        self.sequence = sequence
        self.records: list[LogRecord] = []
        self.moves: Counter[State] = Counter()
        self.stored_bytes = 0  # octets of bodies that came, less those that went
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


Operation = Callable[[Transaction], None]


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
        self._pending: list[tuple[Operation, asyncio.Future[None]]] = []
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
        self._jobs: queue.SimpleQueue[Transaction | None] = queue.SimpleQueue()
        self._running: list[asyncio.Future[None]] = []
        self._thread = threading.Thread(target=self._commit_forever, name="commit", daemon=True)
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

    async def close(self) -> None:
        """Commit what is pending, then end the thread."""
        if self._busy or self._due or self._pending:
            self._closing = self._loop.create_future()
            await self._closing
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        if self.broken:  # closing must not sync again what could not be synced
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)

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
        transaction = Transaction(self._cursor, now_us=self._clock.now_us(), sequence=self.sequence)
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
            self._running = self._run(transaction, pending)
            transaction.write_records()
        except apsw.Error as error:
            self._look_at(error)
            self._take_back(pending, failure_of(error))
            return
        except BaseException:
            # A fault of ours, such as text that SQLite cannot hold. Nobody may wait for ever for
            # a commit that does not come, and half an operation must not be committed.
            what = "a step of the spool failed, and nothing of it was written"
            self._take_back(
                pending,
                EnvironmentFailure(what, hint="its cause: journalctl -u borderscout-satellite"),
            )
            raise
        self._busy = True
        self._jobs.put(transaction)

    def _take_back(
        self, pending: list[tuple[Operation, asyncio.Future[None]]], failure: BorderScoutError
    ) -> None:
        self._roll_back()
        self._fail([future for _, future in pending], failure)
        self._next()

    def _run(
        self, transaction: Transaction, pending: list[tuple[Operation, asyncio.Future[None]]]
    ) -> list[asyncio.Future[None]]:
        written = []
        for operation, future in pending:
            try:
                operation(transaction)
            except BorderScoutError as error:  # it wrote nothing: it checks before it writes
                self._fail([future], error)
            else:
                written.append(future)
        return written

    def _log_has_grown(self, _connection: apsw.Connection, _database: str, pages: int) -> int:
        self.log_pages = pages
        return apsw.SQLITE_OK

    def _commit_forever(self) -> None:
        while (transaction := self._jobs.get()) is not None:
            error = _error_of(self._cursor.execute, "COMMIT")
            is_due = error is None and self.log_pages >= schema.CHECKPOINT_PAGES
            self._loop.call_soon_threadsafe(self._finished, transaction, error, is_due)
            if is_due:
                # After the acknowledgements, which need not wait for it; and not by SQLite itself,
                # which would not tell that the disk refused it.
                error = _error_of(self._connection.wal_checkpoint)
                self._loop.call_soon_threadsafe(self._checkpointed, error)

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


def _error_of(step: Callable[..., object], *values: object) -> apsw.Error | None:
    try:
        step(*values)
    except apsw.Error as error:
        return error
    return None
