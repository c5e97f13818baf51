"""Concurrent changes share a commit; a full disk passes, and a disk that lies ends the spool."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest

from common.errors import DiskFull, EnvironmentFailure
from common.states import State
from satellite.spool.commits import BUSY_CHANGES, STEP_S, Transaction
from satellite.spool.disk.sqlite_failures import SpoolDamaged
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.listening import listen
from tests.support.spool.open_spool import OpenSpool, accept, envelope

DEADLINE_S = 30.0


class Cursor:
    """A cursor whose next COMMIT fails, and that counts them."""

    def __init__(self, inner: apsw.Cursor, failure: apsw.Error | None = None) -> None:
        self._inner = inner
        self.failure = failure
        self.commits = 0

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> apsw.Cursor:
        if sql == "COMMIT":
            self.commits += 1
            failure, self.failure = self.failure, None
            if failure is not None:
                raise failure
        return self._inner.execute(sql, values)

    def executemany(self, sql: str, rows: list[tuple[Any, ...]]) -> apsw.Cursor:
        return self._inner.executemany(sql, rows)


def planted(spool: Spool, failure: apsw.Error | None = None) -> Cursor:
    cursor = Cursor(spool._commits._cursor, failure)
    spool._commits._cursor = cursor  # type: ignore[assignment]  # what a disk would do
    return cursor


def failure(code: int) -> apsw.Error:
    error = apsw.exception_for(code)
    assert isinstance(error, apsw.Error)
    return error


async def test_concurrent_messages_share_commits(spool: Spool) -> None:
    cursor = planted(spool)

    await asyncio.gather(*(accept(spool) for _ in range(50)))

    assert cursor.commits < 10


class SlowClock(FakeClock):
    """Each look at it takes half a step's time, as a change for a thousand recipients does."""

    def monotonic_s(self) -> float:
        self._elapsed_us += int(STEP_S * 5e5)
        return super().monotonic_s()


async def test_changes_that_take_long_together_let_others_have_the_loop_and_share_a_commit(
    spool: Spool,
) -> None:
    cursor, clock = planted(spool), SlowClock()
    spool._commits._clock = clock
    steps = 0

    async def count_steps() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_steps())
    ran: list[int] = []  # in which step
    await asyncio.gather(
        *(spool._commits.add(lambda transaction: ran.append(steps)) for _ in range(6))
    )
    counting.cancel()

    assert cursor.commits == 1
    assert len(set(ran)) >= 3
    assert ran == sorted(ran)


async def test_a_fault_in_a_later_step_undoes_those_before_it(spool: Spool) -> None:
    spool._commits._clock = SlowClock()

    def wrong(transaction: Transaction) -> None:
        transaction.execute("SELECT nothing FROM nowhere")

    def write(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO meta VALUES ('kept', 1)")

    added = [spool._commits.add(one) for one in (write, lambda _: None, lambda _: None, wrong)]
    found = await asyncio.gather(*added, return_exceptions=True)

    assert all(isinstance(one, EnvironmentFailure) for one in found)
    assert "kept" not in spool._meta()
    assert spool.message(await accept(spool)) is not None


async def test_only_a_spool_with_much_to_do_waits_for_more(spool: Spool) -> None:
    commits = spool._commits
    commits._added_s.clear()

    commits._added_s.extend(number * 0.1 for number in range(BUSY_CHANGES))  # ten a second
    assert not commits._is_busy(BUSY_CHANGES * 0.1)

    commits._added_s.extend(10.0 + number * 0.001 for number in range(BUSY_CHANGES))
    assert commits._is_busy(10.0 + BUSY_CHANGES * 0.001)
    assert not commits._is_busy(11.0)  # it was a burst, and is over


async def test_a_full_disk_takes_nothing_and_the_next_try_is_taken(spool: Spool) -> None:
    planted(spool, apsw.FullError("database or disk is full"))
    entry = spool.begin()
    entry.write(b"x" * 70_000)

    with pytest.raises(DiskFull):
        await entry.commit(envelope=envelope(), trace=b"")
    entry.abandon()

    assert spool.message(entry.id) is None
    assert spool.records(after=0, limit=9) == []
    assert spool.message(await accept(spool)) is not None
    assert [record.sequence for record in spool.records(after=0, limit=9)] == [1]


async def test_a_sync_that_fails_is_not_tried_again(open_spool: OpenSpool) -> None:
    spool = await open_spool()
    told: list[str] = []
    listen(spool, broken=lambda: told.append("broken"))
    planted(spool, failure(apsw.SQLITE_IOERR_FSYNC))

    with pytest.raises(EnvironmentFailure):
        await accept(spool)
    with pytest.raises(EnvironmentFailure):
        await accept(spool)

    assert told == ["broken"]
    assert spool.refusal() is not None
    spool = await open_spool()  # another process reads what the disk really has
    assert spool.refusal() is None
    await accept(spool)


async def test_who_is_connected_to_a_spool_that_has_broken_hears_it_at_once(
    open_spool: OpenSpool,
) -> None:
    spool = await open_spool()
    planted(spool, failure(apsw.SQLITE_IOERR_FSYNC))
    with pytest.raises(EnvironmentFailure):
        await accept(spool)
    told: list[str] = []

    listen(spool, broken=lambda: told.append("broken"))

    assert told == ["broken"]


async def test_damage_on_a_disk_that_is_gone_ends_the_process_and_answers_everybody(
    open_spool: OpenSpool, spool_folder: Path
) -> None:
    spool = await open_spool()
    told: list[str] = []
    listen(spool, broken=lambda: told.append("broken"))
    planted(spool, failure(apsw.SQLITE_CORRUPT))
    away = spool_folder.with_name("away")
    spool_folder.rename(away)  # the mark for the next start cannot be written

    try:
        async with asyncio.timeout(DEADLINE_S):
            results = await asyncio.gather(accept(spool), accept(spool), return_exceptions=True)
    finally:
        away.rename(spool_folder)

    assert [type(result) for result in results] == [SpoolDamaged] * 2
    assert told == ["broken"]


async def test_a_fault_in_one_step_leaves_nobody_waiting_and_nothing_half_written(
    spool: Spool,
) -> None:
    message = await accept(spool)
    faults: list[BaseException] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: faults.append(context["exception"]))

    async with asyncio.timeout(DEADLINE_S):
        results = await asyncio.gather(
            accept(spool),
            spool.wait(message, next_us=1, reason="\ud800", verdicts=[]),
            return_exceptions=True,
        )

    assert [type(result) for result in results] == [EnvironmentFailure] * 2
    assert [type(fault) for fault in faults] == [UnicodeEncodeError]
    stored = spool.message(message)
    assert stored is not None
    assert [recipient.state for recipient in stored.recipients] == [State.RECEIVED]
    assert stored.scans == 0
    await accept(spool)  # and the spool works on
    assert [record.event for record in spool.records(after=0, limit=9)] == ["accepted"] * 2
