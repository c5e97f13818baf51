"""A stream that ended comes back, after a wait that grows and spreads."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio
import pytest
from structlog.testing import capture_logs

from common.backoff import Backoff
from common.errors import PeerError
from satellite.link.streams import GATHER_S, Stream, kicked, reason_of
from tests.support.clock import FakeClock


class Line:
    """A stream that ends as a test wants it to."""

    def __init__(self, clock: FakeClock, *, spread: float = 1.0) -> None:
        self.opened_s: list[float] = []
        self.waited: list[bool] = []
        self.stream = Stream(
            "test",
            self.once,
            clock=clock,
            spread=lambda: spread,
            backoff=Backoff(first_s=1.0, longest_s=5.0),
        )
        self.clock = clock
        self.speaks = False

    async def once(self, wait: bool) -> None:
        self.opened_s.append(self.clock.monotonic_s() - 1000.0)
        self.waited.append(wait)
        if self.speaks:
            self.stream.heard()
        raise PeerError("cut")


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


async def run_for(line: Line, seconds: float) -> None:
    task = asyncio.create_task(line.stream.keep())
    await line.clock.advance(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_wait_doubles_up_to_its_limit(fake_clock: FakeClock) -> None:
    line = Line(fake_clock)

    await run_for(line, 18.0)

    assert line.opened_s == [0.0, 1.0, 3.0, 7.0, 12.0, 17.0]


async def test_the_wait_is_jittered(fake_clock: FakeClock) -> None:
    line = Line(fake_clock, spread=0.5)

    await run_for(line, 4.0)

    assert line.opened_s == [0.0, 0.5, 1.5, 3.5]


async def test_a_stream_on_which_the_core_spoke_begins_with_a_short_wait(
    fake_clock: FakeClock,
) -> None:
    line = Line(fake_clock)
    line.speaks = True

    await run_for(line, 3.5)

    assert line.opened_s == [0.0, 1.0, 2.0, 3.0]


async def test_the_reason_is_known_before_a_call_waits_for_a_connection(
    fake_clock: FakeClock,
) -> None:
    line = Line(fake_clock)

    await run_for(line, 8.0)

    assert line.waited == [False, False, True, True]
    assert line.stream.failure == "cut"
    assert not line.stream.is_open


async def test_at_another_address_a_stream_begins_with_a_short_wait_and_hears_the_reason(
    fake_clock: FakeClock,
) -> None:
    line = Line(fake_clock)
    await run_for(line, 18.0)
    line.opened_s.clear()
    line.waited.clear()

    line.stream.moved()
    await run_for(line, 8.0)

    assert [at_s - line.opened_s[0] for at_s in line.opened_s] == [0.0, 1.0, 3.0, 7.0]
    assert line.waited == [False, False, True, True]


async def test_a_stream_that_comes_and_goes_costs_two_lines_of_the_log_a_minute(
    fake_clock: FakeClock,
) -> None:
    line = Line(fake_clock)
    line.speaks = True

    with capture_logs() as said:
        await run_for(line, 61.5)

    assert [(one["event"], one.get("left_out")) for one in said] == [
        ("link.open", None),
        ("link.broken", None),
        ("link.open", 59),
        ("link.broken", 59),
    ]


async def test_news_gathers_before_it_goes_up(fake_clock: FakeClock) -> None:
    kick, inbox = asyncio.Event(), asyncio.Queue[Any]()
    task = asyncio.create_task(kicked(kick, "news", clock=fake_clock)(inbox))

    for _ in range(5):
        kick.set()
        await fake_clock.advance(GATHER_S / 10)
    assert inbox.empty()
    await fake_clock.advance(GATHER_S)

    assert [inbox.get_nowait() for _ in range(inbox.qsize())] == ["news"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_news_that_comes_while_the_last_is_sent_is_not_lost(fake_clock: FakeClock) -> None:
    kick, inbox = asyncio.Event(), asyncio.Queue[Any](1)
    inbox.put_nowait("still being performed")
    task = asyncio.create_task(kicked(kick, "news", clock=fake_clock)(inbox))
    kick.set()
    await fake_clock.advance(GATHER_S)  # the source now waits for room in the inbox

    kick.set()
    inbox.get_nowait()
    await fake_clock.advance(GATHER_S)

    assert inbox.get_nowait() == "news"
    await fake_clock.advance(GATHER_S)
    assert inbox.get_nowait() == "news"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_write_that_met_the_end_of_its_call_blames_no_core() -> None:
    nothing = grpc.aio.Metadata()
    error = grpc.aio.AioRpcError(
        grpc.StatusCode.INTERNAL, nothing, nothing, details="Internal error from Core"
    )

    assert reason_of(error) == "INTERNAL: the core ended the stream while something was being sent"
