"""How is a shard heard that tells too much, or nonsense?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from borderscout.v1 import tallies_pb2

from common import wire
from common.identity import ShardIdentity
from common.tallies import TellsTallies, ToldTally
from common.wire import WireError
from core.fleet import tally_sums
from core.fleet.tally_sums import TallySums
from core.link.calls import Streams
from core.link.tallies import HEARTBEAT_S, TALLIES_PER_S_MAX, TallyStreams
from tests.support.clock import FakeClock

MESSAGE_TALLIES = 500


def identity(node: str) -> ShardIdentity:
    return ShardIdentity(node, 0, "01KDVDNA000000000000000002")


class LetsAllIn:
    async def admit(self, context: object, identity: ShardIdentity) -> None:
        pass


class HeardContext:
    """What the core says on one stream."""

    def __init__(self) -> None:
        self.said: list[tuple[ToldTally, ...]] = []

    async def write(self, message: tallies_pb2.TalliesResponse) -> None:
        self.said.append(wire.tallies_from_wire(message))


class Line:
    """One shard's stream, whose messages a test puts in."""

    def __init__(self, streams: TallyStreams, node: str) -> None:
        self.context = HeardContext()
        self._queue: asyncio.Queue[tallies_pb2.TalliesRequest] = asyncio.Queue()
        hello = TellsTallies(identity(node), "0" * 16)
        self._queue.put_nowait(wire.tallies_request_to_wire((), hello))
        context: Any = self.context
        self.task = asyncio.create_task(streams.serve(self._messages(), context))

    async def _messages(self) -> AsyncIterator[tallies_pb2.TalliesRequest]:
        while True:
            yield await self._queue.get()

    def tell(self, *told: ToldTally) -> None:
        self._queue.put_nowait(wire.tallies_request_to_wire(told))

    @property
    def unheard(self) -> int:
        return self._queue.qsize()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class TallyCore:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.sums = TallySums()
        access: Any = LetsAllIn()
        self.streams = TallyStreams(
            access=access, streams=Streams(), sums=self.sums, clock=self.clock
        )


def tally(number: int) -> ToldTally:
    return ToldTally(("mail", number.to_bytes(16, "big")), ((0, 1),))


@pytest.fixture
async def lines() -> AsyncIterator[tuple[TallyCore, Line, Line]]:
    core = TallyCore()
    one, other = Line(core.streams, "lon1"), Line(core.streams, "fra1")
    await core.clock.settle()
    with structlog.testing.capture_logs():
        yield core, one, other
    await one.close()
    await other.close()


async def test_what_one_tells_the_other_hears_within_a_second(
    lines: tuple[TallyCore, Line, Line],
) -> None:
    core, one, other = lines
    one.tell(tally(7))

    await core.clock.advance(0.6)

    assert [told.key for said in other.context.said for told in said] == [tally(7).key]
    assert not any(one.context.said)


async def test_the_core_says_that_it_is_there(lines: tuple[TallyCore, Line, Line]) -> None:
    core, one, _ = lines

    await core.clock.advance(HEARTBEAT_S * 3 + 0.1)

    assert one.context.said == [()] * 4


async def test_who_tells_too_much_waits_and_nobody_else(
    lines: tuple[TallyCore, Line, Line],
) -> None:
    core, mad, other = lines
    for start in range(0, TALLIES_PER_S_MAX * 4, MESSAGE_TALLIES):
        mad.tell(*(tally(start + one) for one in range(MESSAGE_TALLIES)))

    other.tell(tally(900_000))
    await core.clock.settle()

    assert len(core.sums) == TALLIES_PER_S_MAX + 1
    assert (mad.unheard, other.unheard) == (3 * TALLIES_PER_S_MAX // MESSAGE_TALLIES, 0)
    await core.clock.advance(1.1)
    assert mad.unheard == 2 * TALLIES_PER_S_MAX // MESSAGE_TALLIES


async def test_nonsense_ends_the_stream(lines: tuple[TallyCore, Line, Line]) -> None:
    core, mad, other = lines

    mad.tell(ToldTally(("MAIL", b"short"), ()))
    await core.clock.settle()

    with pytest.raises(WireError):
        mad.task.result()
    assert not other.task.done()


async def test_a_shard_that_comes_anew_ends_what_a_cut_left_behind(
    lines: tuple[TallyCore, Line, Line],
) -> None:
    core, one, _ = lines
    one.tell(tally(1))
    await core.clock.settle()

    again = Line(core.streams, "lon1")
    again.tell(tally(1))
    await core.clock.settle()

    assert one.task.done()
    assert core.sums.cells == 1
    await again.close()


async def test_what_is_summed_in_pieces_is_told_all_the_same_and_at_once(
    lines: tuple[TallyCore, Line, Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally_sums, "CELLS_SUMMED_MAX", 3)
    core, one, other = lines
    one.tell(*map(tally, range(10)))

    await core.clock.advance(0.6)

    assert [len(said) for said in other.context.said if said] == [3, 3, 3, 1]
