"""What does code that we did not write give: its answer, or how it failed?

Pure. An engine, a filter or a reader of hostile octets may raise anything, and its failure is an
answer like another. Helper processes hold this file, so that it imports next to nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


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
