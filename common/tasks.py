"""How is work started that nobody awaits, and finished that must not be cut short?

Touches the event loop. A background task that dies is logged and ends the process or is started
again, never forgotten; so anything may be caught here, and in ``strangers`` beside it, and nowhere
else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import structlog

from common.clock import Clock

log = structlog.get_logger()

T = TypeVar("T")


async def finish(awaitable: Awaitable[T]) -> T:
    """Await something to its end even when we are cancelled, then raise the cancellation.

    For steps that must complete once begun, such as a commit.
    """
    task: asyncio.Future[T]
    task = awaitable if isinstance(awaitable, asyncio.Future) else asyncio.ensure_future(awaitable)
    is_cancelled = False
    while not task.done():
        ended = task.get_loop().create_future()  # ``shield`` would make two callbacks of this one
        task.add_done_callback(partial(_tell, ended))
        try:
            await ended
        except asyncio.CancelledError:
            is_cancelled = True
    if is_cancelled:
        if not task.cancelled():
            task.exception()  # seen here, so that it is not reported as never retrieved
        raise asyncio.CancelledError
    return task.result()


def _tell(ended: asyncio.Future[None], _task: object) -> None:
    if not ended.done():
        ended.set_result(None)


def spawn(
    group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], *, name: str
) -> asyncio.Task[None]:
    """Start ``work`` as a named task of ``group``."""
    return group.create_task(work, name=name)


def spawn_beside(
    group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], *, name: str
) -> asyncio.Task[None]:
    """Start ``work`` as a task of ``group`` whose failure is logged and ends none of the others."""
    return spawn(group, _logged(work, name=name), name=name)


async def _logged(work: Awaitable[None], *, name: str) -> None:
    try:
        await work
    except Exception:  # as below
        log.exception("task.failed", task=name)


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
