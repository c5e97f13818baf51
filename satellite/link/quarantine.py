"""How does quarantined mail leave the spool for the core?

Touches the quarantine stream and the spool; the uplink machine decides. It has a stream of its own,
so that a body never delays preferences (docs/design/link-guarantees.md, U4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import assert_never

import grpc.aio
import structlog
from borderscout.v1 import quarantine_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.clock import Clock
from common.identity import ShardIdentity
from common.link import CHUNK_BYTES_MAX, Chunk
from common.verdict import printable
from satellite.link.accepted_core import AcceptedCore
from satellite.link.spool import LinkSpool
from satellite.link.streams import converse, kicked
from satellite.link.uplink import (
    Discard,
    Event,
    ListUploads,
    QuarantineUplink,
    SendBody,
    SendCase,
    SetUploadAside,
    Unsendable,
    UploadsGrown,
    UploadsListed,
    UploadsOpened,
    case_of,
)
from satellite.spool.disk.bodies import BodyDamaged

log = structlog.get_logger()

QuarantineCall = grpc.aio.StreamStreamCall[
    quarantine_pb2.QuarantineRequest, quarantine_pb2.QuarantineResponse
]


class QuarantineStream:
    """Uploads the quarantined mail of one shard.

    Args:
        spool: the mail.
        identity: who we are.
        clock: for the time in which news gathers.
        core: says whether the core that is reached is the accepted one.
        heard: called when the core spoke.
        is_known: set once the core hears the records of this spool: of a copy nothing is deleted.
    """

    def __init__(
        self,
        *,
        spool: LinkSpool,
        identity: ShardIdentity,
        clock: Clock,
        core: AcceptedCore,
        heard: Callable[[], None],
        is_known: asyncio.Event,
    ) -> None:
        self.kick = asyncio.Event()
        self._is_known = is_known
        self._spool = spool
        self._identity = identity
        self._clock = clock
        self._core = core
        self._heard = heard
        self._uplink = QuarantineUplink()
        self._call: QuarantineCall | None = None

    @property
    def problem(self) -> str:
        """What an operator should know; empty when all is well."""
        aside = self._spool.set_aside()
        if aside is None:
            return ""
        return (
            f"quarantined messages that the core does not take: {aside.count}; they stay here, and"
            f" are offered again when this node starts; {aside.first}: {printable(aside.reason)}"
        )

    async def once(self, stub: LinkStub, *, wait: bool) -> None:
        """Open the stream and upload on it until it ends; a fork opens none."""
        await self._is_known.wait()
        if self._spool.life.forked:
            await asyncio.Event().wait()
        call = self._call = stub.Quarantine(wait_for_ready=wait)
        try:
            await call.write(wire.quarantine_request_to_wire(self._identity))
            # Not sooner: a write that meets a refusal ends as INTERNAL and hides its reason.
            hearing = await self._core.hear(call)
            self._heard()
            await self._run(UploadsOpened())
            await converse(
                call,
                hear=wire.quarantine_response_from_wire,
                perform=self._hear,
                sources=[kicked(self.kick, UploadsGrown(), clock=self._clock)],
                hearing=hearing,
            )
        finally:
            call.cancel()
            self._call = None

    async def _hear(self, event: Event) -> None:
        if not isinstance(event, UploadsGrown):
            self._heard()
        await self._run(event)

    async def _run(self, event: Event) -> None:
        for command in self._uplink.handle(event):
            match command:
                case ListUploads(limit=limit):
                    await self._run(UploadsListed(tuple(self._spool.uploads(limit=limit))))
                case SendCase(upload=upload):
                    assert self._call is not None
                    await self._call.write(wire.quarantine_request_to_wire(case_of(upload)))
                case SendBody():
                    await self._send_body(command)
                case Discard(message_id=message_id):
                    # The core has it durably and the SHA-256 agrees: it is the core's now (P8).
                    await self._spool.upload_taken(message_id)
                case SetUploadAside(message_id=message_id, reason=reason):
                    log.error("quarantine.not_taken", message=message_id, reason=reason)
                    await self._spool.set_upload_aside(message_id, reason)
                case _:
                    assert_never(command)

    async def _send_body(self, command: SendBody) -> None:
        message = command.upload.message
        try:
            body = self._spool.open_body(message)
        except BodyDamaged as error:
            await self._run(Unsendable(message.id, error.what))
            return
        offset = command.offset
        with body:
            if offset:
                body.leave_the_check()  # of the whole, which the core has a part of, the core does
            while True:
                try:
                    data = body.read(offset, CHUNK_BYTES_MAX)
                except BodyDamaged as error:
                    await self._run(Unsendable(message.id, error.what))
                    return
                last = offset + len(data) >= message.size
                chunk = Chunk(message_id=message.id, offset=offset, data=data, last=last)
                assert self._call is not None
                await self._call.write(wire.quarantine_request_to_wire(chunk))
                offset += len(data)
                if last:
                    return
