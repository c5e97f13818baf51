"""How long is an engine's work waited for that may not end, nor obey when it shall?

Touches the event loop. Who does not end within his time is cancelled and waited for no longer; what
he does afterwards is nobody's failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from common.strangers import outcome_of

T = TypeVar("T")


class Patience:
    """What is waited for within its time, and what was given up and has not ended yet."""

    def __init__(self) -> None:
        self._stubborn: set[asyncio.Task[Any]] = set()

    async def within(
        self, work: Coroutine[Any, Any, T], seconds: float, *, name: str
    ) -> T | Exception:
        """Return what ``work`` gives, the exception that it raises, or TimeoutError.

        It is not waited for beyond its time, even if it does not obey its cancellation.
        """
        task = asyncio.create_task(outcome_of(work), name=name)
        try:
            await asyncio.wait([task], timeout=max(0.0, seconds))
        finally:
            self.give_up(task)
        return ended(task)

    def give_up(self, task: asyncio.Task[Any]) -> None:
        """Wait no longer for a task that has not ended, whether or not it obeys."""
        if not task.done() and task not in self._stubborn:
            task.cancel()
            self._stubborn.add(task)
            task.add_done_callback(self._forget)

    def close(self) -> None:
        """Cancel once more whoever has not ended."""
        for task in self._stubborn:
            task.cancel()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._stubborn.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that it is not reported as never retrieved


def ended(task: asyncio.Task[T]) -> T | Exception:
    """Return how a task ended: what it gave, or why it gave nothing."""
    if not task.done():
        return TimeoutError()
    if task.cancelled():
        return RuntimeError("it cancelled itself")
    return task.result()


async def unless_cancelled(asking: Awaitable[T]) -> T | Exception:
    """Return how it ended; that it cancelled itself is its failure, and no cancellation of ours."""
    try:
        return await outcome_of(asking)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return RuntimeError("it cancelled itself")
