"""Is the core that this stream has reached the one that the follower accepted?

Touches calls and the event loop. Each stream finds its own way to a core, so that two of them may
reach two processes: each one's first metadata say which, and it hands over nothing before the
preference stream's verdict on that very process is known, believes no acknowledgement once it is
withdrawn, and ends then. A core of the version before names no process: it counts as accepted while
the preference stream to such a core is open and accepted, which is all that can be known.

Source: docs/design/link-guarantees.md, G16; promise P8.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio

from common import wire
from common.clock import Clock
from common.errors import PeerError
from satellite.link.core_verdict import UNNAMED, CoreVerdict

JUDGED_S = 10.0  # a core that is there has its preference stream judged within a round trip
NOT_JUDGED = "kept here until the preference stream has judged this core"

Call = grpc.aio.Call


class CoreRefused(PeerError):
    """The core that was reached is not the one to follow: nothing is handed to it."""


class Hearing:
    """The core that one stream or call has reached.

    Args:
        accepted: what is known of cores.
        life: of the process that was reached.
    """

    def __init__(self, accepted: AcceptedCore, life: str) -> None:
        self._accepted = accepted
        self._life = life

    @property
    def objection(self) -> str | None:
        """Why it is not accepted; empty: it is; None: nothing is known of it so far."""
        return self._accepted.objection_to(self._life)

    def check(self) -> None:
        """Accept what it says.

        Raises:
            CoreRefused: it is not, or no longer, the core to follow.
        """
        objection = self.objection
        if objection != "":
            raise CoreRefused(objection or NOT_JUDGED)

    async def over(self) -> None:
        """Return once it is not accepted any more."""
        while self.objection == "":
            await self._accepted.changed()


class AcceptedCore:
    """What all streams of a link know of the cores that they meet.

    Args:
        clock: for the wait until a core is judged.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._verdict: CoreVerdict | None = None
        self._changed = asyncio.Event()

    def judged(self, verdict: CoreVerdict | None) -> None:
        """Take the follower's verdict on the core that the preference stream has reached.

        Args:
            verdict: None: there is none so far.
        """
        if verdict != self._verdict:
            self._verdict = verdict
            self._changed.set()
            self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Return once there is another verdict."""
        await self._changed.wait()

    def objection_to(self, life: str) -> str | None:
        """Return why a process is not accepted; empty: it is; None: it was not judged so far."""
        verdict = self._verdict
        return verdict.reason if verdict is not None and verdict.life == life else None

    def check(self) -> None:
        """Accept that a core may be asked at all.

        Raises:
            CoreRefused: the last one that was met is not the one to follow.
        """
        if self._verdict is not None and self._verdict.reason:
            raise CoreRefused(self._verdict.reason)

    async def reached(self, call: Call) -> Hearing:
        """Return whom a call has reached, as soon as its first metadata are there.

        Raises:
            WireError: they cannot be read.
        """
        standing = wire.standing_from_metadata(await call.initial_metadata())
        return Hearing(self, UNNAMED if standing is None else standing.life)

    async def hear(self, call: Call) -> Hearing:
        """Return whom a call has reached, once that core is accepted.

        Raises:
            AioRpcError: the call ended instead.
            CoreRefused: it is not the core to follow, or was not judged in time.
        """
        hearing = await self.reached(call)
        watches: list[asyncio.Task[Any]] = [
            asyncio.create_task(call.code(), name="link.call_ended"),
            asyncio.create_task(self._clock.sleep(JUDGED_S), name="link.not_judged"),
        ]
        ended, late = watches
        try:
            while hearing.objection is None and not late.done():
                await raise_failure(call, ended)
                change = asyncio.create_task(self._changed.wait(), name="link.judged")
                watches.append(change)
                waiting = [task for task in watches if not task.done()]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            await raise_failure(call, ended)
        finally:
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
        hearing.check()
        return hearing


async def raise_failure(call: Call, ended: asyncio.Task[grpc.StatusCode]) -> None:
    """Raise how a call ended, if it failed.

    Raises:
        AioRpcError: how.
    """
    if not ended.done() or ended.result() is grpc.StatusCode.OK:
        return
    raise grpc.aio.AioRpcError(
        ended.result(),
        await call.initial_metadata(),
        await call.trailing_metadata(),
        details=await call.details(),
    )
