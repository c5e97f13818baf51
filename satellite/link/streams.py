"""How is a gRPC stream to the core kept open, and opened again with backoff?

Touches gRPC calls and the event loop. A stream's machine decides; here its answers are heard, its
commands performed one after another, and its end turned into a later beginning. One task performs
everything of a stream, so that a machine never sees two events at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
import structlog

from common.backoff import Backoff
from common.clock import Clock
from common.errors import EnvironmentFailure, PeerError
from common.repeats import Repeats
from satellite.link.accepted_core import Hearing

log = structlog.get_logger()

GATHER_S = 0.2  # from the first news to the send: what comes within goes up together
INBOX_EVENTS_MAX = 8  # beyond it the core waits: parts of preferences may have 1 MiB each

# What a stream may end with: the core or the path failed, the core spoke nonsense, our disk failed,
# or a write met a call that had just ended.
FAILURES = (grpc.aio.AioRpcError, PeerError, EnvironmentFailure, asyncio.InvalidStateError)

# gRPC says so of a write into a call whose end it has not read yet; the core's reason is lost then,
# and the next try hears it.
_LOST_STATUS = "Internal error from Core"

EventT = TypeVar("EventT")
WireT = TypeVar("WireT")

Source = Callable[["asyncio.Queue[Any]"], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class _End(Generic[EventT]):
    """The stream ended; with an error, unless the core closed it in peace."""

    error: BaseException | None


async def converse(
    call: grpc.aio.StreamStreamCall[Any, WireT],
    *,
    hear: Callable[[WireT], EventT],
    perform: Callable[[EventT], Awaitable[None]],
    hearing: Hearing | None,
    sources: Sequence[Source] = (),
) -> None:
    """Perform what a stream's events ask for until the stream ends.

    Args:
        call: the open stream; it is cancelled when this returns.
        hear: turns a message into an event.
        perform: does what the event asks for, and writes to the call.
        hearing: whom the stream has reached. It ends at once when that is not the accepted core
            any more, and what was heard and not performed so far is never believed; None: of
            another core, too, everything is heard.
        sources: coroutines that put further events in the inbox.

    Raises:
        AioRpcError, PeerError: how the stream ended, or why it could not go on.
    """
    inbox: asyncio.Queue[EventT | _End[EventT]] = asyncio.Queue(INBOX_EVENTS_MAX)

    async def listen() -> None:
        try:
            async for message in call:
                await inbox.put(hear(message))
        except FAILURES as error:
            await inbox.put(_End(error))
        else:
            await inbox.put(_End(None))

    async def leave(inbox: asyncio.Queue[Any]) -> None:
        if hearing is not None:
            await hearing.over()
            await inbox.put(_End(None))  # only to be looked at: the check says the reason

    sources = (*sources, leave)
    tasks = [asyncio.create_task(listen(), name="link.listen")]
    tasks += [asyncio.create_task(source(inbox), name="link.source") for source in sources]
    try:
        while True:
            event = await inbox.get()
            if hearing is not None:
                hearing.check()
            if isinstance(event, _End):
                if event.error is not None:
                    raise event.error
                return
            await perform(event)
    finally:
        call.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def kicked(kick: asyncio.Event, event: object, *, clock: Clock) -> Source:
    """A source that puts ``event`` in the inbox once for all kicks of ``GATHER_S``.

    A message's commits kick five times within some milliseconds. Sent one by one, its records cost
    the core six times as much as together with those of other messages.
    """

    async def source(inbox: asyncio.Queue[Any]) -> None:
        while True:
            await kick.wait()
            await clock.sleep(GATHER_S)
            kick.clear()  # before the event: a kick that comes from here on is for the next one
            await inbox.put(event)

    return source


def ticking(event: object, *, every_s: float, clock: Clock) -> Source:
    """A source that puts ``event`` in the inbox every so often."""

    async def source(inbox: asyncio.Queue[Any]) -> None:
        while True:
            await clock.sleep(every_s)
            await inbox.put(event)

    return source


class Stream:
    """One stream that is always wanted: opened, and opened again.

    Args:
        name: what diagnostics call it.
        once: opens the stream and returns or raises when it ends. Its argument says whether the
            call may wait until the core can be reached; it calls ``heard`` when the core spoke.
        clock: for the waits.
        spread: a random number from 0 up to 1, drawn for each wait.
        backoff: how long to wait.
    """

    def __init__(
        self,
        name: str,
        once: Callable[[bool], Awaitable[None]],
        *,
        clock: Clock,
        spread: Callable[[], float],
        backoff: Backoff,
    ) -> None:
        self.name = name
        self.failure = ""  # why it is not open; empty once the core spoke
        self.is_open = False
        self.reconnects = 0  # how often it ended and was opened again
        self._once = once
        self._clock = clock
        self._spread = spread
        self._backoff = backoff
        self._failures = 0
        self._repeats = Repeats()

    def heard(self) -> None:
        """The core spoke on this stream."""
        if not self.is_open:
            self._say(log.info, "link.open", kind="")
        self.is_open = True
        self.failure = ""
        self._failures = 0

    def moved(self) -> None:
        """Another address is dialled: how often the former one failed says nothing of it."""
        self._failures = 0

    async def keep(self) -> None:
        """Keep the stream open until cancelled."""
        while True:
            reason = "the core closed the stream"
            try:
                # The first failure tells its reason at once; after it the call waits until there
                # is a connection, so that the core is found as soon as it is back.
                await self._once(self._failures >= 2)
            except FAILURES as error:
                reason = reason_of(error)
            finally:
                self.is_open = False  # when it is cancelled too, as for another certificate
            self._failures += 1
            self._say(log.warning, "link.broken", kind=reason.partition(":")[0], reason=reason)
            self.failure = reason
            wait_s = self._backoff.wait_s(self._failures, spread=self._spread())
            await self._clock.sleep(wait_s)
            self.reconnects += 1

    def _say(self, tell: Callable[..., object], event: str, *, kind: str, **facts: object) -> None:
        """Write a line of the log, unless the same was said within the last minute."""
        left_out = self._repeats.again((event, kind), now_s=self._clock.monotonic_s())
        if left_out is not None:
            tell(event, stream=self.name, **facts, **({"left_out": left_out} if left_out else {}))


def reason_of(error: BaseException) -> str:
    """Return why a call failed, in one line that fits a screen."""
    if isinstance(error, grpc.aio.AioRpcError):
        if error.details() == _LOST_STATUS:
            return f"{error.code().name}: the core ended the stream while something was being sent"
        return f"{error.code().name}: {error.details() or ''}"[:300]
    if isinstance(error, asyncio.InvalidStateError):
        return "the stream ended while something was being sent"
    return str(error)[:300]
