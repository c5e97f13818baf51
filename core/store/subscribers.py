"""Who wants to be woken when something has changed?

Touches the event loop that it is used from, and no other thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Subscribers:
    """Events that are set after each change; whoever waits clears its own before it looks."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Event]:
        """Give an event that is set after each change, for as long as the block lasts."""
        event = asyncio.Event()
        self._events.add(event)
        try:
            yield event
        finally:
            self._events.discard(event)

    def wake(self) -> None:
        """Set every subscriber's event."""
        for event in self._events:
            event.set()
