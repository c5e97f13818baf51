"""How do log records leave the spool for the core?

Touches the record stream and the spool; the sender machine of ``common.stream`` decides. A record
is deleted here only after the core said that it is durable there (P2, P7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import grpc
import grpc.aio
import structlog
from borderscout.v1 import records_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.clock import Clock
from common.identity import ShardIdentity
from common.link import Records
from common.stream import (
    Ahead,
    Confirmed,
    Forget,
    Send,
    SenderEvent,
    StreamGrown,
    StreamOpened,
    StreamSender,
)
from satellite.link.accepted_core import AcceptedCore
from satellite.link.spool import LinkSpool
from satellite.link.streams import converse, kicked
from satellite.link.uplink import BATCH_RECORDS_MAX, WINDOW_RECORDS, batches

log = structlog.get_logger()

RecordsCall = grpc.aio.StreamStreamCall[records_pb2.RecordsRequest, records_pb2.RecordsResponse]


@dataclass(frozen=True, slots=True)
class _Kicked:
    """There are new records."""


class RecordStream:
    """Sends the log records of one shard.

    Args:
        spool: the records.
        identity: who we are.
        clock: for the time in which records gather.
        core: says whether the core that is reached is the accepted one.
        heard: called when the core spoke.
    """

    def __init__(
        self,
        *,
        spool: LinkSpool,
        identity: ShardIdentity,
        clock: Clock,
        core: AcceptedCore,
        heard: Callable[[], None],
    ) -> None:
        self.kick = asyncio.Event()
        self.problem = ""  # what an operator should know; empty when all is well
        self._spool = spool
        self._identity = identity
        self._clock = clock
        self._core = core
        self._heard = heard
        self._sender = StreamSender(window=WINDOW_RECORDS)
        self._call: RecordsCall | None = None

    async def once(self, stub: LinkStub, *, wait: bool) -> None:
        """Open the stream and send on it until it ends."""
        # Compressed by the batch: records are text that repeats itself.
        call = self._call = stub.Records(wait_for_ready=wait, compression=grpc.Compression.Gzip)
        oldest = self._spool.records(after=0, limit=1)
        last = self._spool.last_sequence()
        try:
            self._sender.handle(StreamOpened(oldest[0].sequence if oldest else last + 1, last))
            await call.write(wire.records_to_wire(Records((), self._identity)))
            await converse(
                call,
                hear=_confirmed,
                perform=self._run,
                sources=[kicked(self.kick, _Kicked(), clock=self._clock)],
                hearing=await self._core.hear(call),
            )
        finally:
            call.cancel()
            self._call = None

    async def _run(self, event: Confirmed | _Kicked) -> None:
        for command in self._sender.handle(self._translated(event)):
            match command:
                case Send(after=after, up_to=up_to):
                    await self._send(after, up_to)
                case Forget(up_to=up_to):
                    # The core has them durably: from here on ours are one too many.
                    await self._spool.acknowledge_records(up_to)
                case Ahead(durable=durable, last=last):
                    self._complain(durable, last)
                case _:
                    assert_never(command)
        if not self._sender.is_stranded:
            self.problem = ""

    def _translated(self, event: Confirmed | _Kicked) -> SenderEvent:
        if isinstance(event, Confirmed):
            self._heard()
            return event
        return StreamGrown(self._spool.last_sequence())

    async def _send(self, after: int, up_to: int) -> None:
        assert self._call is not None
        while after < up_to:
            limit = min(BATCH_RECORDS_MAX, up_to - after)
            found = self._spool.records(after=after, limit=limit)
            if not found:
                return
            for batch in batches(found):
                await self._call.write(wire.records_to_wire(Records(batch)))
            after = found[-1].sequence

    def _complain(self, durable: int, last: int) -> None:
        self.problem = (
            f"the core has records up to {durable}, this spool gave only {last}: the spool was put"
            " back to an older state, and its records stay here; move the spool away, so that it"
            " begins a new incarnation"
        )
        log.error("records.spool_is_older", durable=durable, last=last)


def _confirmed(message: records_pb2.RecordsResponse) -> Confirmed | _Kicked:
    return Confirmed(wire.taken_from_wire(message).durable)
