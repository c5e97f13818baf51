"""How does a shard tell the core what it counted, and hear what all others did?

Touches the tally stream. What is told and heard is the business of whoever counts. Nothing here is
durable, and nothing waits for it: without the core each worker goes by its own counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import grpc
import grpc.aio
from borderscout.v1 import tallies_pb2
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common import wire
from common.clock import Clock
from common.errors import PeerError
from common.identity import ShardIdentity
from common.tallies import TellsTallies, ToldTally
from satellite.link.accepted_core import AcceptedCore
from satellite.link.streams import converse, ticking

TELL_S = 0.5  # between two tellings: a rate that is high at one site is known at all within 2 s

TalliesCall = grpc.aio.StreamStreamCall[tallies_pb2.TalliesRequest, tallies_pb2.TalliesResponse]


class SharesTallies(Protocol):
    """Whoever counts, as far as the link is concerned."""

    @property
    def life(self) -> str: ...

    def opened(self) -> None: ...

    def untold(self) -> tuple[ToldTally, ...]: ...

    def heard(self, told: Iterable[ToldTally]) -> None: ...


@dataclass(frozen=True, slots=True)
class _Due:
    """It is time to tell."""


class TallyStream:
    """Tells of one shard's counts.

    Args:
        tallies: what is counted.
        identity: who we are.
        clock: for the time between two tellings.
        core: says whether the core that is reached is the accepted one.
        heard: called when the core spoke.
    """

    def __init__(
        self,
        *,
        tallies: SharesTallies,
        identity: ShardIdentity,
        clock: Clock,
        core: AcceptedCore,
        heard: Callable[[], None],
    ) -> None:
        self._tallies = tallies
        self._hello = TellsTallies(identity, tallies.life)
        self._clock = clock
        self._core = core
        self._heard = heard
        self._call: TalliesCall | None = None
        self._is_let_in = False

    async def once(self, stub: LinkStub, *, wait: bool) -> None:
        """Open the stream and tell on it until it ends.

        Raises:
            PeerError: the core is of a version that sums nothing.
        """
        call = self._call = stub.Tallies(wait_for_ready=wait)
        self._is_let_in = False
        try:
            await call.write(wire.tallies_request_to_wire((), self._hello))
            await converse(
                call,
                hear=wire.tallies_from_wire,
                perform=self._perform,
                sources=[ticking(_Due(), every_s=TELL_S, clock=self._clock)],
                hearing=await self._core.hear(call),
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise PeerError("the core is an older one, and counts for nobody") from None
            raise
        finally:
            call.cancel()
            self._call = None

    async def _perform(self, event: tuple[ToldTally, ...] | _Due) -> None:
        if isinstance(event, _Due):
            await self._tell()
            return
        self._heard()
        if not self._is_let_in:
            self._is_let_in = True
            self._tallies.opened()
        self._tallies.heard(event)

    async def _tell(self) -> None:
        assert self._call is not None
        # Before the core spoke, a write that meets a refusal would hide its reason.
        if self._is_let_in and (told := self._tallies.untold()):
            await self._call.write(wire.tallies_request_to_wire(told))
