"""How does a shard's quarantined mail become durable here?

Touches quarantine streams and the store of bodies. A shard is told ``durable`` only after body and
case are on disk and the SHA-256 agrees: from then on the core answers for the message (P8).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import assert_never

import structlog
from borderscout.v1 import quarantine_pb2

from common import wire
from common.clock import Clock
from common.errors import PeerError
from common.identity import ShardIdentity
from common.ids import is_ulid
from common.link import Case, Chunk, NotTaken, Taken, Unreadable, Wanted
from common.tasks import finish
from common.wire import WireError
from core.custody.arrivals import Arrival
from core.fleet.fleet import Fleet
from core.link.calls import Access, Context, Streams, first_message, until_first
from core.link.ports import CaseSink, FleetTable
from core.quarantine.cases import BodyMismatch, CaseRefused, QuarantineFull
from core.records.lives import check_run

log = structlog.get_logger()

OPEN_MAX = 64  # bodies under way on one stream; a satellite of this version has 8

Reply = Wanted | Taken | NotTaken


class QuarantineStreams:
    """The quarantine streams of all shards.

    Args:
        access: who may speak for which node.
        streams: the open ones.
        fleet: told whose mail waits.
        table: fences a shard's earlier lives, and copies.
        sink: where mail becomes durable.
        clock: for the fleet.
    """

    def __init__(
        self,
        *,
        access: Access,
        streams: Streams,
        fleet: Fleet,
        table: FleetTable,
        sink: CaseSink,
        clock: Clock,
    ) -> None:
        self._access = access
        self._streams = streams
        self._table = table
        self._sink = sink
        self._fleet = fleet
        self._clock = clock

    async def serve(
        self, messages: AsyncIterator[quarantine_pb2.QuarantineRequest], context: Context
    ) -> None:
        """Serve one quarantine stream."""
        identity = wire.quarantine_request_from_wire(await first_message(messages))
        if not isinstance(identity, ShardIdentity):
            raise PeerError("a quarantine stream begins with an identity")
        self._access.check(context, identity)
        standing = await self._table.note_life(identity)
        self._streams.let_in(identity, standing)
        check_run(identity, standing)
        # The headers alone say that the shard is let in: there is nothing else to tell it yet.
        await self._access.admit(context, identity)
        with self._streams.only("quarantine", identity) as ended:
            await until_first(self._receive(identity, messages, context), ended)

    async def _receive(
        self,
        identity: ShardIdentity,
        messages: AsyncIterator[quarantine_pb2.QuarantineRequest],
        context: Context,
    ) -> None:
        bodies = IncomingBodies(identity, self._sink)
        async for message in messages:
            for reply in await self._replies(bodies, message):
                await context.write(wire.quarantine_response_to_wire(reply))
            if bodies.full is not None:
                now_s = self._clock.monotonic_s()
                self._fleet.warned(identity, bodies.full.what, now_s=now_s)
                # What was begun before arrives to its end: else each try would end it anew.
                if not bodies.is_busy:
                    raise bodies.full

    async def _replies(
        self, bodies: IncomingBodies, message: quarantine_pb2.QuarantineRequest
    ) -> list[Reply]:
        try:
            request = wire.quarantine_request_from_wire(message)
        except WireError as error:
            # One message that cannot be said must not hold up all others for ever.
            if message.WhichOneof("message") == "opened" and is_ulid(message.opened.message_id):
                return [NotTaken(message.opened.message_id, error.what)]
            raise
        match request:
            case Case():
                return await bodies.open(request)
            case Chunk():
                return await finish(bodies.take(request))
            case Unreadable(reason=reason):
                log.warning("link.message_unknown", shard=str(bodies.identity), reason=reason)
                return []  # nothing is confirmed, so the satellite keeps what it has
            case ShardIdentity():
                raise PeerError("a second identity on one quarantine stream")
            case _:
                assert_never(request)


class IncomingBodies:
    """The bodies that one stream brings: from where on each is wanted.

    Args:
        identity: the shard.
        sink: where they become durable.
    """

    def __init__(self, identity: ShardIdentity, sink: CaseSink) -> None:
        self.identity = identity
        self._sink = sink
        self._wanted: dict[str, int] = {}  # message → octet
        self.full: QuarantineFull | None = None  # nothing more of this node is taken

    @property
    def is_busy(self) -> bool:
        """Whether a body is on its way."""
        return bool(self._wanted)

    async def open(self, case: Case) -> list[Reply]:
        """Take note of a case, and say from where on its body is wanted."""
        if len(self._wanted) >= OPEN_MAX and case.message_id not in self._wanted:
            raise PeerError(f"more than {OPEN_MAX} bodies under way on one stream")
        try:
            wanted = await self._sink.open_case(self.identity, case)
        except QuarantineFull as error:
            self.full = error
            return []  # nothing is confirmed: it waits at the node
        except CaseRefused as error:
            return self._refused(error)
        return self._told(wanted)

    async def take(self, chunk: Chunk) -> list[Reply]:
        """Take octets; those that are not wanted next were sent before the satellite knew."""
        if self._wanted.get(chunk.message_id) != chunk.offset:
            return []
        try:
            return await self._take(chunk)
        except BodyMismatch as error:
            log.error("quarantine.body_differs", message=error.message_id, reason=error.reason)
            return self._told(Wanted(chunk.message_id, 0))
        except CaseRefused as error:
            return self._refused(error)

    async def _take(self, chunk: Chunk) -> list[Reply]:
        end = chunk.offset + len(chunk.data)
        wanted = await self._sink.append(self.identity, chunk.message_id, chunk.offset, chunk.data)
        if wanted != Wanted(chunk.message_id, end):
            return self._told(wanted)
        self._wanted[chunk.message_id] = end
        if not chunk.last:
            return []
        return self._told(await self._sink.complete(self.identity, chunk.message_id))

    def _told(self, arrival: Arrival) -> list[Reply]:
        match arrival:
            case Taken(message_id=message_id):
                self._wanted.pop(message_id, None)
            case Wanted(message_id=message_id, offset=offset):
                self._wanted[message_id] = offset
        return [arrival]

    def _refused(self, error: CaseRefused) -> list[Reply]:
        log.error("quarantine.refused", message=error.message_id, reason=error.reason)
        self._wanted.pop(error.message_id, None)
        return [NotTaken(error.message_id, error.reason)]
