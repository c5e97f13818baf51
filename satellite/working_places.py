"""How many are worked on at once, when some of them only wait?

Touches the event loop. A place is for work. Who has held one for ``held_s`` is taken to be waiting,
for somebody who is slow or silent: as soon as somebody else wants it he goes on without. Nearly
always nobody does, and there is no timer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WorkingPlace:
    """A place that somebody holds, until he gives it back or has waited for too long."""

    __slots__ = ("_places",)

    def __init__(self, places: WorkingPlaces) -> None:
        self._places = places

    def give_back(self) -> None:
        """Let the next one have it; harmless when repeated."""
        self._places.take_back(self)


class WorkingPlaces:
    """The places of one worker for one kind of work.

    Args:
        count: how many there are.
        held_s: seconds after which one is given on.
    """

    def __init__(self, count: int, *, held_s: float) -> None:
        self._free = asyncio.Semaphore(count)
        self._held_s = held_s
        self._held: dict[WorkingPlace, float] = {}  # since when, the oldest first
        self._waiting = 0
        self._alarm: asyncio.TimerHandle | None = None  # only while somebody waits

    async def take(self) -> WorkingPlace:
        """Return a place once there is one; it has to be given back."""
        self._waiting += 1
        if self._free.locked():
            self._set_alarm()
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        place = WorkingPlace(self)
        self._held[place] = asyncio.get_running_loop().time()
        if self._waiting:
            self._set_alarm()
        return place

    def take_back(self, place: WorkingPlace) -> None:
        """Let the next one have a place; nothing when it was given on before."""
        if self._held.pop(place, None) is not None:
            self._free.release()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place, for as long as it is work."""
        place = await self.take()
        try:
            yield
        finally:
            place.give_back()

    def _set_alarm(self) -> None:
        if self._alarm is None and self._held:
            due_s = next(iter(self._held.values())) + self._held_s
            self._alarm = asyncio.get_running_loop().call_at(due_s, self._give_on)

    def _give_on(self) -> None:
        """Take back what was held for too long, as far as somebody waits for it."""
        self._alarm = None
        latest_s = asyncio.get_running_loop().time() - self._held_s
        for place, since_s in list(self._held.items())[: self._waiting]:
            if since_s > latest_s:
                break
            self.take_back(place)
        if self._waiting:
            self._set_alarm()
