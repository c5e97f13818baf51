"""Tries: one engine is asked again, alone, within its time; what others said stands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from prometheus_client import CollectorRegistry

from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.engine import EngineHealth, Fitted
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from tests.support.clock import FakeClock
from tests.support.scanning.messages import sample_of

SAMPLE = sample_of(b"Subject: x\r\n\r\nhello\r\n")


class Scripted:
    """An engine with an outcome for each time that it is asked; on trials it is well."""

    keeps_its_time = True

    def __init__(self, name: str, clock: FakeClock, *outcomes: Outcome, takes_s: float = 0) -> None:
        self.name = name
        self.asked_at: list[float] = []
        self._clock = clock
        self._takes_s = takes_s
        self._outcomes: Iterator[Outcome] = iter(outcomes)

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        if sample.id == "trial":
            return Verdict(by=self.name, outcome=Outcome.CLEAN)
        self.asked_at.append(self._clock.monotonic_s() - 1000.0)
        await self._clock.sleep(self._takes_s)
        return Verdict(by=self.name, outcome=next(self._outcomes))

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=True)

    async def close(self) -> None:
        """Do nothing."""


def scanner_of(clock: FakeClock, *engines: Scripted, **settings: float) -> Scanner:
    fitted = [
        Fitted(
            engine=engine,
            settings=EngineSettings.model_validate(
                {"name": engine.name, "kind": "puppet", **settings}
            ),
        )
        for engine in engines
    ]
    return Scanner(fitted, clock, registry=CollectorRegistry())


async def scanned(clock: FakeClock, scanner: Scanner) -> tuple[Verdict, ...]:
    scan = asyncio.create_task(scanner.scan(SAMPLE))
    await clock.advance(600)
    return await scan


async def test_only_the_engine_that_failed_is_asked_again() -> None:
    clock = FakeClock()
    failing = Scripted("failing", clock, Outcome.UNAVAILABLE, Outcome.ERROR, Outcome.CLEAN)
    other = Scripted("other", clock, Outcome.INFECTED)

    verdicts = await scanned(clock, scanner_of(clock, failing, other, tries=3))

    assert [(v.outcome, v.attempt) for v in verdicts] == [
        (Outcome.CLEAN, 3),
        (Outcome.INFECTED, 1),
    ]
    assert failing.asked_at == [0, 1, 3]
    assert len(other.asked_at) == 1


async def test_an_engine_is_asked_once_where_nothing_else_is_said() -> None:
    clock = FakeClock()
    failing = Scripted("failing", clock, Outcome.ERROR)

    (verdict,) = await scanned(clock, scanner_of(clock, failing))

    assert (verdict.outcome, failing.asked_at) == (Outcome.ERROR, [0])


async def test_tries_end_with_the_whole_time() -> None:
    clock = FakeClock()
    failing = Scripted("failing", clock, *[Outcome.ERROR] * 5, takes_s=12)

    # No try of this engine keeps its time, which the check of the settings reckons with.
    scanner = scanner_of(clock, failing, tries=3, timeout_s=5, total_timeout_s=20)
    (verdict,) = await scanned(clock, scanner)

    assert (verdict.outcome, failing.asked_at) == (Outcome.ERROR, [0, 13])


async def test_what_others_were_answered_on_meanwhile_comes_again_later() -> None:
    clock = FakeClock()
    late = Scripted("late", clock, Outcome.TIMEOUT)  # and its trial is scanned

    (verdict,) = await scanned(clock, scanner_of(clock, late, tries=3))

    assert (verdict.outcome, late.asked_at) == (Outcome.TIMEOUT, [0])
