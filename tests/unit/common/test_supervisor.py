"""The service manager hears once that we are ready, and that we are alive while we are."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
import structlog

from common.supervisor import (
    ALIVE,
    READY,
    START_S_MAX,
    STOPPING,
    ServiceCondition,
    Supervisor,
    keep_told,
    lines_of,
    status_line,
)
from tests.support.clock import FakeClock
from tests.support.node.supervisor import telling_socket

MORE = "EXTEND_TIMEOUT_USEC=60000000"


def test_who_starts_asks_for_time_and_who_is_ready_says_so_once() -> None:
    starting = ServiceCondition(is_ready=False, is_starting=True, status="opens")
    ready = ServiceCondition(is_ready=True, status="well")

    assert lines_of(starting, was_ready=False) == ["STATUS=opens", ALIVE, MORE]
    assert lines_of(ready, was_ready=False) == ["STATUS=well", ALIVE, READY]
    assert lines_of(ready, was_ready=True) == ["STATUS=well", ALIVE]
    assert lines_of(starting, was_ready=True) == ["STATUS=opens", ALIVE]


def test_who_hangs_says_everything_but_that_he_lives() -> None:
    hanging = ServiceCondition(is_ready=False, is_alive=False, status="shard 1 hangs")

    assert lines_of(hanging, was_ready=True) == ["STATUS=shard 1 hangs"]


def test_a_status_is_one_bounded_line() -> None:
    assert status_line("one\nREADY=1") == "STATUS=one"
    assert status_line("a\x1b[2J" + "b" * 400) == "STATUS=a?[2J" + "b" * 195


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "90000000"}, 90.0),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())}, 90.0),
        ({"WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "²"}, 0.0),
    ],
)
def test_a_watchdog_is_kept_for_this_process_alone(
    environment: dict[str, str], watchdog_s: float
) -> None:
    assert Supervisor.of(environment).watchdog_s == watchdog_s


def test_three_looks_fit_into_a_silence_that_is_allowed() -> None:
    assert Supervisor(watchdog_s=90.0).look_s == 10.0
    assert Supervisor(watchdog_s=6.0).look_s == 2.0
    assert Supervisor().look_s == 10.0


def test_where_nobody_listens_nothing_is_told_and_nothing_fails(tmp_path: Path) -> None:
    Supervisor().tell(READY)
    with structlog.testing.capture_logs() as logs:
        Supervisor(address=str(tmp_path / "gone")).tell(READY)
        Supervisor(address="@borderscout-nobody-listens").tell(READY)

    assert [line["event"] for line in logs] == ["supervisor.not_told"] * 2


async def test_it_is_told_from_the_start_to_the_end(tmp_path: Path) -> None:
    clock = FakeClock()
    said = ServiceCondition(is_ready=False, is_starting=True, status="opens")

    async def look() -> ServiceCondition:
        return said

    with telling_socket(tmp_path) as heard:
        manager = Supervisor(address=str(heard.path), watchdog_s=9.0)
        telling = asyncio.create_task(keep_told(manager, look, clock=clock))
        await clock.advance(1.5)
        assert [heard.next(), heard.next()] == [["STATUS=opens", ALIVE, MORE]] * 2

        said = ServiceCondition(is_ready=True, status="well")
        await clock.advance(1.0)
        assert heard.next() == ["STATUS=well", ALIVE, READY]

        said = ServiceCondition(is_ready=True, is_alive=False, status="hangs")
        await clock.advance(3.0)
        assert heard.next() == ["STATUS=hangs"]
        assert heard.is_silent()

        manager.tell(STOPPING)
        assert heard.next() == [STOPPING]
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def test_a_start_that_comes_to_nothing_is_ended_at_last(tmp_path: Path) -> None:
    clock = FakeClock()

    async def look() -> ServiceCondition:
        return ServiceCondition(is_ready=False, is_starting=True)

    with telling_socket(tmp_path) as heard:
        telling = asyncio.create_task(
            keep_told(Supervisor(address=str(heard.path)), look, clock=clock)
        )
        await clock.advance(0.5)
        assert MORE in heard.next()
        clock_jump = START_S_MAX + 1
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)

        async def slow() -> ServiceCondition:
            await clock.sleep(clock_jump)
            return await look()

        telling = asyncio.create_task(
            keep_told(Supervisor(address=str(heard.path)), slow, clock=clock)
        )
        await clock.advance(clock_jump)
        assert heard.next() == ["STATUS=", ALIVE]
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
