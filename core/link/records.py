"""How do a shard's log records become durable here?

Touches record streams and the store; the receiver machine of ``common.stream`` decides. A sequence
is confirmed only after the store's commit (P2, P7).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import NoReturn, assert_never

import structlog
from borderscout.v1 import records_pb2

from common import wire
from common.chain import NO_CHAIN, ChainPoint
from common.clock import Clock
from common.errors import PeerError
from common.identity import ShardIdentity
from common.link import RECORDS_OF_MESSAGE_MAX, RecordsTaken
from common.link import Records as RecordsMessage
from common.node_rates import NodeRates, until_due
from common.records import GapRecord, LogRecord, written
from common.stream import (
    Arrived,
    Break,
    Confirm,
    Keep,
    Missed,
    Receiver,
    ReceiverCommand,
    StreamStored,
)
from common.tasks import finish
from core.fleet.fleet import Fleet
from core.link.calls import Access, Context, Streams, first_message, until_first
from core.link.ports import FleetTable, RecordSink
from core.records.intake import first_told
from core.records.lives import ForkedSpool, in_words, why_not_at, why_not_at_hello

log = structlog.get_logger()

RECORDS_PER_S_MAX = 20_000.0  # of one node, for ever: about what one core takes in
RECORDS_BURST_MAX = 200_000.0  # and at once after a rest


class RecordStreams:
    """The record streams of all shards.

    Args:
        access: who may speak for which node.
        streams: the open ones.
        fleet: told of records that are lost, and of copies.
        table: keeps who is a copy.
        sink: where records become durable.
        clock: for the fleet, and the time of a gap.
    """

    def __init__(
        self,
        *,
        access: Access,
        streams: Streams,
        fleet: Fleet,
        table: FleetTable,
        sink: RecordSink,
        clock: Clock,
    ) -> None:
        self._access = access
        self._streams = streams
        self._fleet = fleet
        self._table = table
        self._sink = sink
        self._clock = clock
        self._rates = NodeRates()

    async def serve(
        self, messages: AsyncIterator[records_pb2.RecordsRequest], context: Context
    ) -> None:
        """Serve one record stream."""
        first = wire.records_from_wire(await first_message(messages))
        if first.identity is None:
            raise PeerError("a record stream begins with an identity")
        identity = first.identity
        await self._access.admit(context, identity)
        known = await self._opened(identity, first, context)
        with self._streams.only("records", identity) as ended:
            await until_first(self._receive(identity, known, first, messages, context), ended)

    async def _opened(
        self, identity: ShardIdentity, first: RecordsMessage, context: Context
    ) -> ChainPoint:
        """Say where to go on, unless this is not the spool that is known.

        Raises:
            Fenced: it is not, or a later life has spoken.
        """
        known = NO_CHAIN
        try:
            known = await self._sink.position(identity)
            why = why_not_at_hello(known, deleted=first.chain, last_sequence=first.last_sequence)
            if why:
                raise ForkedSpool(identity, why)
        except ForkedSpool as error:
            await self._refuse(identity, known.sequence, error, context)
        await context.write(wire.taken_to_wire(RecordsTaken(known.sequence, known.digest)))
        return known

    async def _refuse(
        self, identity: ShardIdentity, durable: int, error: ForkedSpool, context: Context
    ) -> NoReturn:
        """Remember that this is a copy, tell it, and end its stream: nothing of it is lost there.

        Raises:
            ForkedSpool: always.
        """
        is_new = await finish(self._table.note_fork(identity, error.what))
        log.error("records.forked", shard=str(identity), reason=error.what, is_new=is_new)
        self._streams.fork(identity, error.what)
        words = in_words(identity, error.what)
        self._fleet.warned(identity, words, now_s=self._clock.monotonic_s())
        await context.write(wire.taken_to_wire(RecordsTaken(durable, forked=str(error))))
        raise error

    async def _receive(
        self,
        identity: ShardIdentity,
        known: ChainPoint,
        first: RecordsMessage,
        messages: AsyncIterator[records_pb2.RecordsRequest],
        context: Context,
    ) -> None:
        receiver = Receiver(durable=known.sequence)
        try:
            await self._take(identity, first, receiver, context)
            async for message in messages:
                told = wire.records_from_wire(message)
                if told.chain is not None and not told.records:
                    why = why_not_at(known, told.chain)
                    if why:
                        raise ForkedSpool(identity, why)
                await self._take(identity, told, receiver, context)
        except ForkedSpool as error:
            await self._refuse(identity, known.sequence, error, context)

    async def _take(
        self, identity: ShardIdentity, message: RecordsMessage, receiver: Receiver, context: Context
    ) -> None:
        records = message.records
        if not records:
            return
        if len(records) > RECORDS_OF_MESSAGE_MAX:
            raise PeerError(f"{len(records)} records at once, {RECORDS_OF_MESSAGE_MAX} may come")
        await self._until_due(identity, len(records))
        first = first_told(records[0])
        if first < records[0].sequence:
            gap = f"records from {first} to {records[0].sequence} are lost: its outbox was full"
            self._fleet.noticed(identity, gap, now_s=self._clock.monotonic_s())
        arrived = Arrived(first, records[-1].sequence)
        commands: deque[ReceiverCommand] = deque(receiver.handle(arrived))
        while commands:
            command = commands.popleft()
            match command:
                case Keep(first=first):
                    fresh = [record for record in records if record.sequence >= first]
                    taken = self._sink.take(identity, fresh, chain=message.chain)
                    durable = await finish(taken)
                    self._streams.comers.spoke(identity, identity.run)
                    commands.extend(receiver.handle(StreamStored(durable)))
                case Confirm(durable=durable):
                    await context.write(wire.taken_to_wire(RecordsTaken(durable)))
                case Missed(first=first, last=last):
                    await self._miss(identity, first, last)
                case Break(reason=reason):
                    raise PeerError(reason)
                case _:
                    assert_never(command)

    async def _until_due(self, identity: ShardIdentity, number: int) -> None:
        """Wait while a node has sent more than its share; what it sends is taken all the same."""
        bucket = self._rates.of(identity.node, per_s=RECORDS_PER_S_MAX, burst=RECORDS_BURST_MAX)
        await until_due(bucket, self._clock)
        bucket.take(number)

    async def _miss(self, identity: ShardIdentity, first: int, last: int) -> None:
        """Say of records that nobody has any more that they are lost, in the place of the last.

        It happens when the core was put back to an older state: the shard has deleted what was
        confirmed to it since. However many they are, it needs nobody.
        """
        reason = f"records {first} to {last} of {identity} are lost: the core lost its own end"
        log.error("records.lost", shard=str(identity), first=first, last=last)
        self._fleet.noticed(identity, reason, now_s=self._clock.monotonic_s())
        record = GapRecord(first=first, last=last, reason="the core lost its own end")
        (fields,) = written(record)
        gap = LogRecord(last, self._clock.now_us(), record.event, "", fields)
        await finish(self._sink.take(identity, [gap]))
