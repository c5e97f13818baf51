"""How many are worked on at once, when some of them only wait?

Touches the event loop. A place is for work. Who has held one for ``held_s`` is taken to be waiting,
for somebody who is slow or silent: as soon as somebody else wants it he goes on without. Nearly
always nobody does, and there is no timer.
"""

from __future__ import annotations

import asyncio
import time
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
    """The places of one worker for one kind of work; who comes first has one first.

    Not over a semaphore of asyncio, which takes three times as long, several times a message.

    Args:
        count: how many there are.
        held_s: seconds after which one is given on.
        most: who go on without a place included; None: any number.
    """

    def __init__(self, count: int, *, held_s: float, most: int | None = None) -> None:
        self._count = count
        self._held_s = held_s
        self._most = most
        self._held: dict[WorkingPlace, float] = {}  # since when, the oldest first
        self._without: set[WorkingPlace] = set()  # those whose place was given on
        self._waiting: dict[WorkingPlace, asyncio.Future[None]] = {}
        self._alarm: asyncio.TimerHandle | None = None  # only while somebody waits

    async def take(self) -> WorkingPlace:
        """Return a place once there is one; it has to be given back."""
        place = WorkingPlace(self)
        if not self._waiting and self._has_room():
            self._held[place] = time.monotonic()
            return place
        turn = self._waiting[place] = asyncio.get_running_loop().create_future()
        self._set_alarm()
        try:
            await turn
        except BaseException:  # cancelled, perhaps in the moment in which it was given the place
            self._waiting.pop(place, None)
            self.take_back(place)
            raise
        return place

    def take_back(self, place: WorkingPlace) -> None:
        """Let the next one have a place; nothing when it was given on before."""
        if self._held.pop(place, None) is None:
            self._without.discard(place)
        if self._waiting:
            self._let_in()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place, for as long as it is work."""
        place = await self.take()
        try:
            yield
        finally:
            place.give_back()

    def _has_room(self) -> bool:
        held = len(self._held)
        return held < self._count and (self._most is None or held + len(self._without) < self._most)

    def _let_in(self) -> None:
        while self._waiting and self._has_room():
            place = next(iter(self._waiting))
            turn = self._waiting.pop(place)
            if not turn.done():  # else whoever it is waits no more
                self._held[place] = time.monotonic()
                turn.set_result(None)
        if self._waiting:
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is None and self._held:
            wait_s = next(iter(self._held.values())) + self._held_s - time.monotonic()
            self._alarm = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._give_on)

    def _give_on(self) -> None:
        """Take back what was held for too long, as far as somebody waits for it."""
        self._alarm = None
        latest_s = time.monotonic() - self._held_s
        for place, since_s in list(self._held.items())[: len(self._waiting)]:
            if since_s > latest_s:
                break
            del self._held[place]
            self._without.add(place)
        self._let_in()
