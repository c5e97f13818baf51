"""How is work started that nobody awaits, and finished that must not be cut short?

Touches the event loop. The broad ``except`` of the house is here and nowhere else: a background
task that dies is logged and ends the process or is started again, never forgotten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from common.clock import Clock

log = structlog.get_logger()

T = TypeVar("T")


async def finish(awaitable: Awaitable[T]) -> T:
    """Await something to its end even when we are cancelled, then raise the cancellation.

    For steps that must complete once begun, such as a commit.
    """
    task = asyncio.ensure_future(awaitable)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
            cancelled = True
        except BaseException:  # of the task's own: it is raised below, once
            if not cancelled:
                raise
    if cancelled:
        if not task.cancelled():
            task.exception()  # seen here, so that it is not reported as never retrieved
        raise asyncio.CancelledError
    return task.result()


def spawn(
    group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], *, name: str
) -> asyncio.Task[None]:
    """Start ``work`` as a named task of ``group``."""
    return group.create_task(work, name=name)


async def keep_running(
    work: Callable[[], Awaitable[None]], *, name: str, clock: Clock, pause_s: float = 1.0
) -> None:
    """Run ``work`` again whenever it fails, after ``pause_s`` seconds; return when it returns.

    Each failure is logged with its traceback. Cancellation passes through.
    """
    while True:
        try:
            await work()
        except Exception:  # the one place where anything is caught
            log.exception("task.failed", task=name)
        else:
            return
        await clock.sleep(pause_s)


async def outcome_of(awaitable: Awaitable[T]) -> T | Exception:
    """Return what ``awaitable`` gives, or the exception that it raises; cancellation goes through.

    For work of strangers whose failure is an answer like another, such as an engine's.
    """
    try:
        return await awaitable
    except Exception as failure:  # noqa: BLE001  # given to the caller, not swallowed
        return failure


def outcome_of_call(function: Callable[..., T], *arguments: Any) -> T | Exception:
    """Return what a stranger's function gives, or the exception that it raises."""
    try:
        return function(*arguments)
    except Exception as failure:  # noqa: BLE001  # given to the caller, not swallowed
        return failure
