"""A release is claimed of the accepted core alone, whichever process the call has reached."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from borderscout.v1 import control_pb2

from common import wire
from common.backoff import Backoff
from common.identity import ShardIdentity
from common.link import CoreStanding, ReleaseOffer
from common.preferences import Epoch, Position
from satellite.link.accepted_core import JUDGED_S, AcceptedCore
from satellite.link.core_verdict import CoreVerdict
from satellite.link.releases import ReleaseTaker
from tests.support.clock import FakeClock
from tests.support.network.link import MemorySpool

RELEASE, MESSAGE = "01KDVDNA00000000000000000R", "01KDVDNA00000000000000000M"
OURS, ANOTHER = "a" * 32, "b" * 32


class ClaimCall:
    """A claim that another core has granted."""

    async def initial_metadata(self) -> tuple[tuple[str, bytes], ...]:
        position = Position(Epoch(1, "11111111-1111-4111-8111-111111111111"), 5)
        standing = CoreStanding(position=position, digest=bytes(32), life=ANOTHER)
        return (wire.standing_to_metadata(standing),)

    async def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.OK

    def __await__(self) -> Any:
        raise AssertionError("what another core grants is never looked at")

    def cancel(self) -> None:
        pass


class AnotherCore:
    """The calls of a core that is not the accepted one."""

    def __init__(self) -> None:
        self.claims = 0

    def Claim(self, request: control_pb2.ClaimRequest, *, timeout: float) -> ClaimCall:
        self.claims += 1
        return ClaimCall()


@pytest.mark.parametrize(
    ("verdict", "claims"),
    [
        (CoreVerdict(OURS), 1),
        (CoreVerdict(ANOTHER, "it lost changes"), 0),
    ],
)
async def test_what_another_core_grants_is_not_delivered(verdict: CoreVerdict, claims: int) -> None:
    clock, spool, calls = FakeClock(), MemorySpool(), AnotherCore()
    core = AcceptedCore(clock)
    core.judged(verdict)
    stub: Any = calls
    taker = ReleaseTaker(
        spool=spool,
        identity=ShardIdentity(spool.node, spool.shard, spool.life.incarnation),
        mail_domain="mx.example",
        stub=lambda: stub,
        core=core,
        clock=clock,
        spread=lambda: 0.0,
        backoff=Backoff(),
        on_released=lambda _: None,
    )
    task = asyncio.create_task(taker.run())
    taker.offer(ReleaseOffer(RELEASE, MESSAGE))

    await clock.advance(JUDGED_S + 1.0)

    assert calls.claims == claims
    assert spool.released == {}
    taker.offer(ReleaseOffer(RELEASE, MESSAGE))
    await clock.advance(JUDGED_S + 1.0)
    assert calls.claims == 2 * claims, "it is offered and asked for again"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
