"""Which calls are under way, and whose certificate opened each?

Touches the tasks that serve calls: it ends those whose certificate is let in no more, so that a
stream that was opened before is worth as little as a new one, and lets no node have very many, at
once or one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from common.clock import Clock
from common.errors import PeerError
from common.node_rates import until_due
from common.rpc import peer_of, serial_of
from common.token_bucket import TokenBucket
from core.fleet.roster import Roster
from core.link.calls import Context, Handler, NotPermitted, TooManyCalls, check_certificate

log = structlog.get_logger()

CALLS_PER_S_MAX = 100.0  # of one node, for ever: a seventh of what one core answers
CALLS_BURST = 2_000.0  # and at once after a rest: a thousand releases are claimed and fetched
CALLS_PER_NODE_MAX = 128  # eight shards with six streams, twice over while they are opened anew

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _OpenCall:
    """One call.

    Attributes:
        node, serial: of the certificate that it came with.
        task: serves it.
        why: it is being ended; empty: it is not.
    """

    node: str
    serial: str
    task: asyncio.Task[Any]
    why: str = ""


class _CallRate:
    """How many calls one node opens in a time: they wait in a row, and only the first one looks."""

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.bucket = TokenBucket(per_s=CALLS_PER_S_MAX, burst=CALLS_BURST)


class OpenCalls:
    """The calls that are under way.

    Args:
        roster: says who is let in.
        clock: for how many a node opens in a time.
    """

    def __init__(self, roster: Roster, *, clock: Clock) -> None:
        self._roster = roster
        self._clock = clock
        self._rates: dict[str, _CallRate] = {}  # by node
        self._open: set[_OpenCall] = set()

    def while_let_in(self, handler: Handler[T]) -> Handler[T]:
        """Return a handler that ends with ``NotPermitted`` once its caller is let in no more."""

        async def watched(request: Any, context: Context) -> T:
            with self._under_way(context) as node:
                await self._until_due(node)
                return await handler(request, context)

        return watched

    async def _until_due(self, node: str) -> None:
        """Wait while a node has opened too many calls; then it is served all the same."""
        rate = self._rates.get(node)
        if rate is None:
            rate = self._rates[node] = _CallRate()
        async with rate.turn:
            await until_due(rate.bucket, self._clock)
            rate.bucket.take()

    def end_others(self) -> int:
        """End the calls of everybody who is let in no more; return how many."""
        ended = 0
        for call in self._open:
            why = self._roster.why_not(call.node, call.serial)
            if why and not call.why:
                call.why = why
                call.task.cancel()
                ended += 1
        return ended

    @contextmanager
    def _under_way(self, context: Context) -> Iterator[str]:
        task = asyncio.current_task()
        assert task is not None
        shown = context.auth_context()
        try:
            call = _OpenCall(peer_of(shown).name, serial_of(shown), task)
        except PeerError as error:
            raise NotPermitted(error.what) from None
        # First: what a thief has open counts for nothing with the node whose name he bears.
        check_certificate(self._roster, call.node, call.serial)
        if sum(one.node == call.node for one in self._open) >= CALLS_PER_NODE_MAX:
            raise TooManyCalls(f"{call.node} has {CALLS_PER_NODE_MAX} calls open")
        cancelled = task.cancelling()
        self._open.add(call)
        try:
            yield call.node
        except asyncio.CancelledError:
            if call.why and task.uncancel() <= cancelled:
                raise NotPermitted(call.why) from None
            raise
        finally:
            self._open.discard(call)
