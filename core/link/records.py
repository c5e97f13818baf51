"""How do a shard's log records become durable here?

Touches record streams and the store; the receiver machine of ``common.stream`` decides. A sequence
is confirmed only after the store's commit (P2, P7).
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from typing import assert_never

import structlog
from borderscout.v1 import records_pb2

from common import wire
from common.clock import Clock
from common.errors import PeerError
from common.identity import ShardIdentity
from common.link import Records as RecordsMessage
from common.link import RecordsTaken
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
from core.link.ports import RecordSink
from core.records.intake import first_told

log = structlog.get_logger()

GAP_RECORDS_MAX = 10_000  # lost records that are filled in; more is for a person to decide
GAP_BATCH = 500


class RecordStreams:
    """The record streams of all shards.

    Args:
        access: who may speak for which node.
        streams: the open ones.
        fleet: told of records that are lost.
        sink: where records become durable.
        clock: for the fleet, and the time of a gap.
    """

    def __init__(
        self, *, access: Access, streams: Streams, fleet: Fleet, sink: RecordSink, clock: Clock
    ) -> None:
        self._access = access
        self._streams = streams
        self._fleet = fleet
        self._sink = sink
        self._clock = clock

    async def serve(
        self, messages: AsyncIterator[records_pb2.RecordsRequest], context: Context
    ) -> None:
        """Serve one record stream."""
        first = wire.records_from_wire(await first_message(messages))
        if first.identity is None:
            raise PeerError("a record stream begins with an identity")
        identity = first.identity
        await self._access.admit(context, identity)
        with self._streams.only("records", identity) as ended:
            await until_first(self._receive(identity, first, messages, context), ended)

    async def _receive(
        self,
        identity: ShardIdentity,
        first: RecordsMessage,
        messages: AsyncIterator[records_pb2.RecordsRequest],
        context: Context,
    ) -> None:
        durable = await self._sink.last_sequence(identity)
        await context.write(wire.taken_to_wire(RecordsTaken(durable)))
        receiver = Receiver(durable=durable)
        await self._take(identity, first, receiver, context)
        async for message in messages:
            await self._take(identity, wire.records_from_wire(message), receiver, context)

    async def _take(
        self, identity: ShardIdentity, message: RecordsMessage, receiver: Receiver, context: Context
    ) -> None:
        records = message.records
        if not records:
            return
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
                    durable = await finish(self._sink.take(identity, fresh))
                    commands.extend(receiver.handle(StreamStored(durable)))
                case Confirm(durable=durable):
                    await context.write(wire.taken_to_wire(RecordsTaken(durable)))
                case Missed(first=first, last=last):
                    await self._miss(identity, first, last)
                case Break(reason=reason):
                    raise PeerError(reason)
                case _:
                    assert_never(command)

    async def _miss(self, identity: ShardIdentity, first: int, last: int) -> None:
        """Fill the place of records that nobody has any more: each says that it is lost.

        It happens when the core was put back to an older state: the shard has deleted what was
        confirmed to it since.
        """
        reason = f"records {first} to {last} of {identity} are lost: the core lost its own end"
        log.error("records.lost", shard=str(identity), first=first, last=last)
        self._fleet.noticed(identity, reason, now_s=self._clock.monotonic_s())
        if last - first >= GAP_RECORDS_MAX:
            raise PeerError(f"{reason}; {last - first + 1} are too many to go on without a person")
        record = GapRecord(first=first, last=last, reason="the core lost its own end")
        (fields,) = written(record)
        now_us = self._clock.now_us()
        for start in range(first, last + 1, GAP_BATCH):
            numbers = range(start, min(start + GAP_BATCH, last + 1))
            gap = [LogRecord(number, now_us, record.event, "", fields) for number in numbers]
            await finish(self._sink.take(identity, gap))
