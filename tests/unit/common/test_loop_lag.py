"""Is a step of the event loop seen that holds up everything else, and told of?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from structlog.testing import capture_logs

from common.clock import SystemClock
from common.loop_lag import CALM_PERIOD_S, CALM_RINGS, PERIOD_S, SLOT_S, TOLD_S, WINDOW_S, LoopLag
from tests.support.clock import FakeClock
from tests.support.loop_steps import no_step_over, steps_over


class Rings:
    """The rings of a timer, one after the other.

    Args:
        lag: has the timer, and is started.
        clock: its clock.
        monkeypatch: takes the timers away from the loop.
    """

    def __init__(self, lag: LoopLag, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lag = lag
        self._clock = clock
        self._timers: list[tuple[float, Callable[..., None], object]] = []
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "call_later", lambda *timer: self._timers.append(timer))
        lag.start()

    async def next_s(self, late_s: float = 0.0) -> float:
        """Let the timer come, and return how long the next one takes."""
        period_s, callback, argument = self._timers.pop()
        await self._clock.advance(period_s + late_s)
        callback(argument)
        return self._timers[-1][0]


async def test_a_single_step_is_seen_with_its_length_less_a_period_at_the_most() -> None:
    lag = LoopLag(SystemClock())
    lag.start()
    await asyncio.sleep(2 * PERIOD_S)

    time.sleep(0.05)  # the step
    await asyncio.sleep(2 * PERIOD_S)
    lag.stop()

    assert lag.longest_s() >= 0.05 - PERIOD_S


async def test_a_calm_loop_is_woken_seldom_until_a_step_is_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rings = Rings(LoopLag(clock := FakeClock()), clock, monkeypatch)

    begun = [await rings.next_s() for _ in range(CALM_RINGS)]

    assert begun == [*[PERIOD_S] * (CALM_RINGS - 1), CALM_PERIOD_S]
    assert await rings.next_s(late_s=0.008) == CALM_PERIOD_S, "another process had its turn"
    assert await rings.next_s(late_s=0.02) == PERIOD_S
    assert rings.lag.longest_s() == pytest.approx(0.02)


async def test_a_loop_that_mail_does_not_wait_for_is_woken_seldom_however_late_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rings = Rings(LoopLag(clock := FakeClock(), period_s=CALM_PERIOD_S), clock, monkeypatch)

    assert {await rings.next_s(late_s=0.02) for _ in range(3)} == {CALM_PERIOD_S}
    assert rings.lag.longest_s() == pytest.approx(0.02)


async def test_the_longest_step_is_forgotten_after_a_minute() -> None:
    clock = FakeClock()
    lag = LoopLag(clock)
    lag.was_late(0.5)
    await clock.advance(WINDOW_S - 2 * SLOT_S)
    lag.was_late(0.01)

    assert lag.longest_s() == 0.5
    await clock.advance(2 * SLOT_S)
    assert lag.longest_s() == 0.01
    await clock.advance(WINDOW_S)
    assert lag.longest_s() == 0.0


async def test_the_log_tells_of_a_long_step_and_of_a_run_of_them_once_with_their_number() -> None:
    clock = FakeClock()
    lag = LoopLag(clock)

    with capture_logs() as said:
        for _ in range(3):
            lag.was_late(0.25)
        lag.was_late(0.01)
        await clock.advance(TOLD_S)
        lag.was_late(0.5)

    lines = [(one["event"], one["step_ms"], one["steps"]) for one in said]
    assert lines == [("loop.step_long", 250, 1), ("loop.step_long", 500, 3)]


def test_steps_are_counted_by_their_length() -> None:
    lag = LoopLag(FakeClock())
    registry = CollectorRegistry()
    registry.register(lag)
    for late_s in (0.0, 0.005, 0.03, 0.3, 300.0):
        lag.was_late(late_s)

    scrape = generate_latest(registry).decode().replace("{le=", '{shard="0",le=')

    assert steps_over(scrape, 0.005) == {"0": 3}
    assert steps_over(scrape, 0.05) == {"0": 2}
    assert steps_over(scrape, 60.0) == {"0": 1}
    assert "borderscout_loop_lag_seconds_count 5.0" in scrape
    assert "borderscout_loop_lag_max_seconds 300.0" in scrape


async def test_a_test_sees_the_one_step_that_is_too_long() -> None:
    async def busy() -> None:
        time.sleep(0.03)  # the step

    with pytest.raises(AssertionError, match=r"a step of \d+ ms, not 20: .*busy"):
        async with no_step_over(20.0):
            await asyncio.create_task(busy())

    async with no_step_over(20.0) as steps:
        await asyncio.sleep(0.001)
    assert steps.count >= 2
