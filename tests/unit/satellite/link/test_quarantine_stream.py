"""Of a spool that the core does not know, no quarantined mail leaves and none is deleted."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from borderscout.v1.link_service_pb2_grpc import LinkStub

from common.identity import ShardIdentity
from satellite.link.accepted_core import AcceptedCore
from satellite.link.quarantine import QuarantineStream
from tests.support.clock import FakeClock
from tests.support.network.link import MemorySpool


class Opened(Exception):
    """The stream was opened."""


class FakeStub:
    def Quarantine(self, **_: Any) -> None:
        raise Opened


def stream_of(spool: MemorySpool, is_known: asyncio.Event) -> QuarantineStream:
    return QuarantineStream(
        spool=spool,
        identity=ShardIdentity(spool.node, spool.shard, spool.life.incarnation),
        clock=FakeClock(),
        core=AcceptedCore(FakeClock()),
        heard=lambda: None,
        is_known=is_known,
    )


async def test_it_opens_once_the_core_hears_the_records_of_the_spool() -> None:
    is_known = asyncio.Event()
    stream = stream_of(MemorySpool(), is_known)
    task = asyncio.create_task(stream.once(cast("LinkStub", FakeStub()), wait=False))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not task.done()

    is_known.set()

    with pytest.raises(Opened):
        await task


async def test_a_fork_opens_none() -> None:
    spool, is_known = MemorySpool(), asyncio.Event()
    is_known.set()
    spool.life.forked = "it is a copy"
    stream = stream_of(spool, is_known)

    task = asyncio.create_task(stream.once(cast("LinkStub", FakeStub()), wait=False))
    for _ in range(5):
        await asyncio.sleep(0)

    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
