"""How does the core hear what each shard counted, and tell all others?

Touches tally streams; what is summed is decided in ``core.fleet.tally_sums``. Nothing is durable.
Whoever speaks too much is heard more slowly: its stream waits, and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import structlog
from borderscout.v1 import tallies_pb2

from common import wire
from common.clock import Clock
from common.tallies import TALLIES_OF_MESSAGE_MAX
from core.fleet.tally_sums import TallyOrigin, TallySums
from core.link.calls import Access, Context, Streams, first_message, until_first

log = structlog.get_logger()

TELL_S = 0.5  # between two tellings
HEARTBEAT_S = 2.0  # a shard that hears nothing for 5 s goes by its own counts
HEARD_AT_ONCE_MAX = 200  # seven milliseconds where each has all cells that there may be
TALLIES_PER_S_MAX = 2_500  # of one shard; each costs 0.06 ms where a dozen are told of it


class TallyStreams:
    """The tally streams of all shards.

    Args:
        access: who may speak for which node.
        streams: the open ones.
        sums: what is known.
        clock: for the times at which things were seen.
    """

    def __init__(self, *, access: Access, streams: Streams, sums: TallySums, clock: Clock) -> None:
        self._access = access
        self._streams = streams
        self._sums = sums
        self._clock = clock

    async def serve(
        self, messages: AsyncIterator[tallies_pb2.TalliesRequest], context: Context
    ) -> None:
        """Serve one tally stream."""
        hello = wire.tallies_hello_from_wire(await first_message(messages))
        await self._access.admit(context, hello.identity)
        origin = TallyOrigin(hello.identity.place, hello.life)
        with self._streams.only("tallies", hello.identity) as ended:
            self._sums.came(origin)
            try:
                await until_first(
                    self._listen(origin, messages), self._tell(origin, context), ended
                )
            finally:
                self._sums.left(origin)

    async def _listen(
        self, origin: TallyOrigin, messages: AsyncIterator[tallies_pb2.TalliesRequest]
    ) -> None:
        began_s, heard = self._clock.monotonic_s(), 0
        async for message in messages:
            now_s = self._clock.monotonic_s()
            if now_s - began_s >= 1.0:
                began_s, heard = now_s, 0
            told = wire.tallies_from_wire(message)
            for begin in range(0, len(told), HEARD_AT_ONCE_MAX):
                some = told[begin : begin + HEARD_AT_ONCE_MAX]
                self._sums.told(origin, some, now_s=now_s)
                await asyncio.sleep(0)  # others' turn
            heard += max(1, len(told))
            if heard >= TALLIES_PER_S_MAX:
                node, shard = origin.place
                log.warning("link.too_many_tallies", shard=f"{node}/{shard}")
                await self._clock.sleep(1.0)

    async def _tell(self, origin: TallyOrigin, context: Context) -> None:
        told_s = float("-inf")
        while True:
            now_s = self._clock.monotonic_s()
            told = self._sums.untold(origin, now_s=now_s)
            if told or now_s - told_s >= HEARTBEAT_S:
                await context.write(wire.tallies_response_to_wire(told))
                told_s = now_s
            number = len(told)
            while told and number < TALLIES_OF_MESSAGE_MAX:  # it was one piece of several
                await asyncio.sleep(0)  # others' turn
                told = self._sums.untold(origin, now_s=now_s)
                number += len(told)
                if told:
                    await context.write(wire.tallies_response_to_wire(told))
            await self._clock.sleep(TELL_S)
