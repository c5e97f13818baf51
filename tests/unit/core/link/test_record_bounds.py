"""What one node sends costs the core no more than its share, and nothing honest is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from common.chain import NO_CHAIN, ChainPoint
from common.errors import PeerError
from common.identity import ShardIdentity
from common.link import RECORDS_OF_MESSAGE_MAX, Records
from common.records import LogRecord
from common.stream import Receiver
from core.fleet.fleet import Fleet
from core.link.calls import Streams
from core.link.records import RECORDS_BURST_MAX, RECORDS_PER_S_MAX, RecordStreams
from tests.support.clock import FakeClock
from tests.support.core.rooms import identity


class Sink:
    """Takes all; it fulfils ``RecordSink``."""

    def __init__(self) -> None:
        self.taken: dict[str, int] = {}

    async def position(self, _identity: ShardIdentity) -> ChainPoint:
        return NO_CHAIN

    async def take(
        self,
        identity: ShardIdentity,
        records: Sequence[LogRecord],
        *,
        chain: ChainPoint | None = None,
    ) -> int:
        self.taken[identity.node] = self.taken.get(identity.node, 0) + len(records)
        return records[-1].sequence


class Context:
    async def write(self, _message: object) -> None:
        pass


class Room:
    """Record streams into a sink, at a clock that a test drives."""

    def __init__(self) -> None:
        self.clock, self.sink = FakeClock(), Sink()
        self.streams = RecordStreams(
            access=cast("Any", None),
            streams=Streams(),
            fleet=Fleet([("lon1", "london"), ("fra1", "frankfurt")]),
            table=cast("Any", None),
            sink=self.sink,
            clock=self.clock,
        )
        self.receivers = {node: Receiver(durable=0) for node in ("lon1", "fra1")}
        self.next = dict.fromkeys(self.receivers, 1)

    async def send(self, node: str, number: int = RECORDS_OF_MESSAGE_MAX) -> None:
        first = self.next[node]
        records = tuple(LogRecord(first + n, 0, "started", "", b"{}") for n in range(number))
        self.next[node] += number
        context = cast("Any", Context())
        await self.streams._take(identity(node), Records(records), self.receivers[node], context)


async def test_more_records_at_once_than_any_node_sends_are_refused() -> None:
    room = Room()

    with pytest.raises(PeerError, match="501 records at once"):
        await room.send("lon1", RECORDS_OF_MESSAGE_MAX + 1)

    assert room.sink.taken == {}


async def test_a_node_beyond_its_rate_waits_and_the_others_do_not() -> None:
    room = Room()
    for _ in range(int(RECORDS_BURST_MAX) // RECORDS_OF_MESSAGE_MAX):
        await room.send("lon1")

    waits = asyncio.create_task(room.send("lon1"))
    await asyncio.sleep(0)
    await room.send("fra1")
    assert not waits.done()
    assert room.sink.taken == {"lon1": RECORDS_BURST_MAX, "fra1": RECORDS_OF_MESSAGE_MAX}

    await room.clock.advance(2.0 / RECORDS_PER_S_MAX)
    await asyncio.wait_for(waits, 5.0)
    assert room.sink.taken["lon1"] == RECORDS_BURST_MAX + RECORDS_OF_MESSAGE_MAX
