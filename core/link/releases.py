"""How does a released message get back to a shard?

Touches unary and fetching calls, and the releases. A release is offered to the one shard that it
is assigned to, again and again until its ``released`` record is here; what decides who gets it is
``core.quarantine`` (P8, P9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from borderscout.v1 import control_pb2

from common import wire
from common.clock import Clock
from common.errors import EnvironmentFailure
from common.ids import is_ulid
from common.link import CHUNK_BYTES_MAX, Chunk, Claim, ReleaseOffer
from core.custody.release import FetchRefused
from core.fleet.fleet import Fleet
from core.link.calls import Access, Context
from core.link.ports import ReleaseSource

log = structlog.get_logger()

OFFER_S = 5.0  # between offers: an unclaimed release passes on, a claimed one is reminded of


class ReleaseCalls:
    """Offers, claims and fetches.

    Args:
        access: who may speak for which node.
        fleet: told which core it is that a caller follows, where it is not this one.
        source: who gets which release.
        clock: for the time between offers.
        due: set when it is time to look what there is to offer, such as when a shard came.
        connected: returns the shards that an offer would reach.
        tell: gives an offer to a shard.
    """

    def __init__(
        self,
        *,
        access: Access,
        fleet: Fleet,
        source: ReleaseSource,
        clock: Clock,
        due: asyncio.Event,
        connected: Callable[[], list[tuple[str, int]]],
        tell: Callable[[str, int, ReleaseOffer], bool],
    ) -> None:
        self._access = access
        self._fleet = fleet
        self._source = source
        self._clock = clock
        self._connected = connected
        self._tell = tell
        self._due = due

    async def offer(self) -> None:
        """Offer releases until cancelled."""
        with self._source.subscribe() as requested:
            tasks = [
                asyncio.create_task(_forward(requested, self._due), name="releases.requested"),
                asyncio.create_task(self._tick(), name="releases.tick"),
            ]
            try:
                while True:
                    await self._due.wait()
                    self._due.clear()
                    await self._offer_once()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _offer_once(self) -> None:
        connected = self._connected()
        if not connected:
            return
        try:
            offers = await self._source.offers(connected)
        except EnvironmentFailure as error:
            log.error("releases.not_offered", reason=error.what)
            return
        for due in offers:
            # One that finds no room comes again with the next look.
            self._tell(due.node, due.shard, ReleaseOffer(due.id, due.message_id))

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(OFFER_S)
            self._due.set()

    async def claim(
        self, request: control_pb2.ClaimRequest, context: Context
    ) -> control_pb2.ClaimResponse:
        """Serve a claim; it is durable before the answer leaves."""
        identity = wire.identity_from_wire(request.identity)
        self._access.check(context, identity)
        if request.HasField("follows"):  # noted first: whoever looks hangs up at the answer
            self._fleet.looked(identity, wire.position_from_wire(request.follows))
        await self._access.admit(context, identity)
        if not is_ulid(request.release_id):
            return wire.claim_to_wire(Claim(granted=False, reason="no such release"))
        claim = await self._source.claim(identity, request.release_id)
        if claim.granted:
            log.info("release.claimed", release=request.release_id, shard=str(identity))
        else:
            log.info("release.not_granted", release=request.release_id, reason=claim.reason)
        return wire.claim_to_wire(claim)

    async def fetch(self, request: control_pb2.FetchRequest, context: Context) -> None:
        """Serve the body of a claimed release from any offset to its end."""
        identity = wire.identity_from_wire(request.identity)
        await self._access.admit(context, identity)
        if not is_ulid(request.release_id):
            raise FetchRefused("no such release")
        offset, is_last = request.offset, False
        message_id = ""
        while not is_last:
            data = await self._source.read(identity, request.release_id, offset, CHUNK_BYTES_MAX)
            message_id = message_id or await self._message_of(request.release_id)
            is_last = len(data) < CHUNK_BYTES_MAX
            chunk = Chunk(message_id=message_id, offset=offset, data=data, last=is_last)
            await context.write(wire.chunk_to_wire(chunk))
            offset += len(data)

    async def _message_of(self, release_id: str) -> str:
        release = await self._source.release(release_id)
        if release is None:
            raise FetchRefused("no such release")
        return release.message_id


async def _forward(event: asyncio.Event, due: asyncio.Event) -> None:
    while True:
        await event.wait()
        event.clear()
        due.set()
