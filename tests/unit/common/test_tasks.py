"""Is work finished that must be, and failed work taken up again?"""

from __future__ import annotations

import asyncio

import pytest
import structlog

from common.tasks import finish, keep_running, spawn, spawn_beside
from tests.support.clock import FakeClock


async def test_a_result_or_an_error_passes_through() -> None:
    async def good() -> int:
        return 7

    async def bad() -> int:
        raise ValueError("no")

    assert await finish(good()) == 7
    with pytest.raises(ValueError, match="no"):
        await finish(bad())


@pytest.mark.parametrize("cancellations", [1, 3])
async def test_a_step_that_was_begun_ends_although_its_caller_is_cancelled(
    cancellations: int,
) -> None:
    clock = FakeClock()
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def commit() -> None:
        await may_end.wait()
        ended.set()

    caller = asyncio.create_task(finish(commit()))
    for _ in range(cancellations):
        await clock.settle()
        caller.cancel()
    await clock.settle()
    assert not caller.done()  # it does not give up what was begun

    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.is_set()


async def test_an_error_after_a_cancellation_is_not_left_unseen() -> None:
    clock = FakeClock()
    may_end = asyncio.Event()

    async def commit() -> None:
        await may_end.wait()
        raise OSError("disk")

    caller = asyncio.create_task(finish(commit()))
    await clock.settle()
    caller.cancel()
    await clock.settle()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await caller


async def test_work_that_fails_is_logged_and_taken_up_again_after_a_pause() -> None:
    clock = FakeClock()
    attempts: list[float] = []

    async def work() -> None:
        attempts.append(clock.monotonic_s())
        if len(attempts) < 3:
            raise ValueError("again")

    with structlog.testing.capture_logs() as logs:
        task = asyncio.create_task(keep_running(work, name="worker", clock=clock, pause_s=5.0))
        await clock.advance(20.0)
        await task

    assert [later - attempts[0] for later in attempts] == [0.0, 5.0, 10.0]
    assert [(entry["event"], entry["task"]) for entry in logs] == [("task.failed", "worker")] * 2


async def test_work_that_is_cancelled_is_not_taken_up_again() -> None:
    clock = FakeClock()
    started = asyncio.Event()

    async def work() -> None:
        started.set()
        await asyncio.get_running_loop().create_future()

    task = asyncio.create_task(keep_running(work, name="worker", clock=clock))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_spawned_task_has_its_name() -> None:
    async def work() -> None:
        return

    async with asyncio.TaskGroup() as group:
        task = spawn(group, work(), name="uplink")

    assert task.get_name() == "uplink"


async def test_work_beside_others_that_fails_is_logged_and_ends_none_of_them() -> None:
    async def work() -> None:
        raise ValueError("for ever")

    with structlog.testing.capture_logs() as logs:
        async with asyncio.TaskGroup() as group:
            spawn_beside(group, work(), name="uplink")

    assert [(entry["event"], entry["task"]) for entry in logs] == [("task.failed", "uplink")]
