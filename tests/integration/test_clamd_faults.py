"""A real clamd that dies, hangs and comes back, while messages are on their way to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.verdict import Outcome
from satellite.scanning.engines.clamav import Clamav
from tests.support.scanning.clamd import EICAR, Clamd, clamd_binary
from tests.support.scanning.messages import plain, sample_of, watched

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

DEADLINE_S = 60.0
LARGE = plain(b"x" * 20_000_000)
SMALL = plain(b"hello")


@pytest.fixture
def clamd(tmp_path: Path) -> Iterator[Clamd]:
    with Clamd(tmp_path) as running:
        yield running


@pytest.fixture
async def engine(clamd: Clamd) -> AsyncIterator[Clamav]:
    engine = Clamav("clamav", [clamd.address], clock=SystemClock(), sessions_max=8)
    yield engine
    await engine.close()


async def test_killed_in_the_middle_of_a_message_it_never_reads_as_clean(
    clamd: Clamd, engine: Clamav
) -> None:
    half_sent = asyncio.Event()
    scan = asyncio.create_task(
        engine.scan(watched(LARGE, half_sent, offset=len(LARGE) // 2), deadline_s=DEADLINE_S)
    )
    await half_sent.wait()
    assert not scan.done()
    clamd.kill()

    verdict = await scan

    assert verdict.outcome in (Outcome.ERROR, Outcome.UNAVAILABLE)


async def test_killed_while_it_hangs_over_a_message_it_never_reads_as_clean(
    clamd: Clamd, engine: Clamav
) -> None:
    await engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S)
    clamd.freeze()
    scans = [
        asyncio.create_task(engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S)) for _ in range(5)
    ]
    for _ in range(50):
        await asyncio.sleep(0)
    clamd.kill()

    outcomes = {(await scan).outcome for scan in scans}

    assert outcomes <= {Outcome.ERROR, Outcome.UNAVAILABLE}


async def test_gone_it_is_unavailable_at_once(clamd: Clamd, engine: Clamav) -> None:
    clamd.kill()
    began_s = time.monotonic()

    verdict = await engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S)

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert time.monotonic() - began_s < DEADLINE_S / 2


async def test_hanging_it_is_a_timeout_and_going_on_it_answers_the_next(
    clamd: Clamd, engine: Clamav
) -> None:
    infected = sample_of(plain(EICAR))
    await engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S)  # there is a session, and hangs
    clamd.freeze()
    hung = await engine.scan(infected, deadline_s=0.5)
    clamd.thaw()

    # The answer to the message that was given up must not be taken for the answer to this one.
    after = await engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S)

    assert hung.outcome is Outcome.TIMEOUT
    assert hung.detail == "no answer within 0.5 s"
    assert after.outcome is Outcome.CLEAN


async def test_a_restart_recovers(clamd: Clamd, engine: Clamav) -> None:
    before = await engine.scan(sample_of(plain(EICAR)), deadline_s=DEADLINE_S)
    clamd.kill()
    gone = await engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S)
    clamd.start()
    after = await engine.scan(sample_of(plain(EICAR)), deadline_s=DEADLINE_S)
    health = await engine.probe()

    assert [v.outcome for v in (before, gone, after)] == [
        Outcome.INFECTED,
        Outcome.UNAVAILABLE,
        Outcome.INFECTED,
    ]
    assert health.answering


async def test_a_restart_between_two_messages_costs_none(clamd: Clamd, engine: Clamav) -> None:
    await engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S)
    clamd.kill()
    clamd.start()

    verdict = await engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S)

    assert verdict.outcome is Outcome.CLEAN


async def test_of_two_the_one_that_lives_goes_on_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with Clamd(one) as first, Clamd(two) as second:
        engine = Clamav(
            "clamav", [first.address, second.address], clock=SystemClock(), sessions_max=8
        )
        before = await outcomes_of(engine)
        first.kill()
        without = [await outcomes_of(engine) for _ in range(3)]
        first.start()
        assert (await engine.probe()).detail.startswith("2 of 2 answer")
        second.kill()
        after = [await outcomes_of(engine) for _ in range(3)]
        await engine.close()

    # What a session that had just died was asked about is for the next attempt.
    lost = {Outcome.ERROR, Outcome.UNAVAILABLE}
    assert before == {Outcome.CLEAN}
    assert without[0] <= {Outcome.CLEAN, *lost}
    assert after[0] <= {Outcome.CLEAN, *lost}
    assert without[1:] == after[1:] == [{Outcome.CLEAN}] * 2


async def outcomes_of(engine: Clamav) -> set[Outcome]:
    """Return how sixteen messages fare that are scanned at once."""
    verdicts = await asyncio.gather(
        *(engine.scan(sample_of(SMALL), deadline_s=DEADLINE_S) for _ in range(16))
    )
    return {verdict.outcome for verdict in verdicts}
