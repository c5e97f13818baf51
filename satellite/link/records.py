"""How do log records leave the spool for the core?

Touches the record stream and the spool; the sender machine of ``common.stream`` decides. A record
is deleted here only after the core said that it is durable there (P2, P7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, assert_never

import grpc
import grpc.aio
import structlog
from borderscout.v1 import records_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.chain import ChainPoint
from common.clock import Clock
from common.errors import PeerError
from common.identity import RENEW, ShardIdentity
from common.link import Records, RecordsTaken
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
from satellite.link.record_chain import RecordChain
from satellite.link.spool import LinkSpool
from satellite.link.streams import converse, kicked
from satellite.link.uplink import BATCH_RECORDS_MAX, WINDOW_RECORDS, batches

log = structlog.get_logger()

AHEAD = (
    "the core has records up to {durable}, this spool gave only {last}: it was put back to an older"
    f" state, or is a copy; {RENEW}"
)

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
        self.is_known = asyncio.Event()  # set once the core hears this spool: it is no copy
        self._spool = spool
        self._identity = identity
        self._clock = clock
        self._core = core
        self._heard = heard
        self._chain = RecordChain(spool)
        self._is_open = False  # whether the core has said where to go on
        self._sender = StreamSender(window=WINDOW_RECORDS)
        self._call: RecordsCall | None = None

    @property
    def problem(self) -> str:
        """What an operator should know; empty when all is well."""
        return self._spool.life.forked

    async def once(self, stub: LinkStub, *, wait: bool) -> None:
        """Open the stream and send on it until it ends; a fork opens none."""
        if self._spool.life.forked:
            await asyncio.Event().wait()  # until the process ends: the next one may be renewed
        # Compressed by the batch: records are text that repeats itself.
        call = self._call = stub.Records(wait_for_ready=wait, compression=grpc.Compression.Gzip)
        oldest = self._spool.records(after=0, limit=1)
        last = self._spool.last_sequence()
        self._is_open = False
        try:
            self._sender.handle(StreamOpened(oldest[0].sequence if oldest else last + 1, last))
            hello = Records((), self._identity, chain=self._spool.life.deleted, last_sequence=last)
            await call.write(wire.records_to_wire(hello))
            await converse(
                call,
                hear=wire.taken_from_wire,
                perform=self._perform,
                sources=[kicked(self.kick, _Kicked(), clock=self._clock)],
                hearing=await self._core.hear(call),
            )
        finally:
            call.cancel()
            self._call = None

    async def _perform(self, event: RecordsTaken | _Kicked) -> None:
        if isinstance(event, RecordsTaken):
            self._heard()
            if event.forked:
                await self._fork(event.forked)
            if not self._is_open and not await self._resume(event):
                return
        await self._run(event)

    async def _resume(self, taken: RecordsTaken) -> bool:
        """Go on from where the core is; False when this is not the spool that it knows."""
        mine = await self._chain.resume(ChainPoint(taken.durable, taken.chain))
        if mine is not None:
            # The core judges, and remembers: it ends this stream with the reason.
            assert self._call is not None
            await self._call.write(wire.records_to_wire(Records((), chain=mine)))
            return False
        self._is_open = True
        return True

    async def _run(self, event: RecordsTaken | _Kicked) -> None:
        for command in self._sender.handle(self._translated(event)):
            match command:
                case Send(after=after, up_to=up_to):
                    await self._send(after, up_to)
                case Forget(up_to=up_to):
                    # The core has them durably: from here on ours are one too many.
                    digest = await self._chain.confirmed(up_to)
                    await self._spool.acknowledge_records(up_to, digest)
                case Ahead(durable=durable, last=last):
                    await self._fork(AHEAD.format(durable=durable, last=last))
                case _:
                    assert_never(command)
        if self._is_open:
            self.is_known.set()

    def _translated(self, event: RecordsTaken | _Kicked) -> SenderEvent:
        if isinstance(event, RecordsTaken):
            return Confirmed(event.durable)
        return StreamGrown(self._spool.last_sequence())

    async def _send(self, after: int, up_to: int) -> None:
        assert self._call is not None
        while after < up_to:
            limit = min(BATCH_RECORDS_MAX, up_to - after)
            found = self._spool.records(after=after, limit=limit)
            if not found:
                return
            for batch in batches(found):
                told = Records(batch, chain=self._chain.sent(batch))
                await self._call.write(wire.records_to_wire(told))
            after = found[-1].sequence

    async def _fork(self, why: str) -> NoReturn:
        """Remember that this spool is not the one that the core knows; nothing of it is deleted.

        Raises:
            PeerError: always.
        """
        log.error("records.spool_is_forked", reason=why)
        await self._spool.mark_forked(why)
        raise PeerError(why)
