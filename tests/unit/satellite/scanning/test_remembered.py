"""Scanning with a memory: a repeated message costs no scan, a waiting one only its engine's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from common.ids import MessageId
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.engine import EngineHealth, Fitted
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from tests.support.clock import FakeClock
from tests.support.scanning.messages import sample_of


class Counting:
    """An engine that goes by the content alone, and counts what it is shown."""

    keeps_its_time = True
    judges_content_alone = True

    def __init__(self, name: str = "av") -> None:
        self.name = name
        self.outcome = Outcome.CLEAN
        self.version = "1"
        self.seen: list[str] = []

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        if sample.id != "trial":
            self.seen.append(sample.id)
        return Verdict(by=self.name, outcome=self.outcome, definitions=self.version)

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=True, definitions=self.version)

    async def close(self) -> None:
        """Do nothing."""


class GoesByClient(Counting):
    judges_content_alone = False


class Unmarked:
    """As an engine is that was written before there was a cache."""

    keeps_its_time = True

    def __init__(self) -> None:
        self.name = "av"
        self.seen: list[str] = []

    async def scan(self, sample: Sample, *, deadline_s: float) -> Verdict:
        self.seen.append(sample.id)
        return Verdict(by=self.name, outcome=Outcome.CLEAN, definitions="1")

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=True, definitions="1")

    async def close(self) -> None:
        """Do nothing."""


def numbered(number: int, content: bytes = b"the same") -> Sample:
    return replace(sample_of(content), id=MessageId(f"m{number}"))


async def scanner_of(
    clock: FakeClock,
    *engines: Counting | Unmarked,
    registry: CollectorRegistry | None = None,
    cache: bool = True,
) -> Scanner:
    """Return a scanner that has been probed, as a node does at its start."""
    fitted = [
        Fitted(engine=engine, settings=EngineSettings(name=engine.name, kind="puppet", cache=cache))
        for engine in engines
    ]
    scanner = Scanner(fitted, clock, registry=registry or CollectorRegistry())
    await scanner.probe_all()
    await clock.advance(1)
    return scanner


async def test_a_mass_mailing_is_scanned_once() -> None:
    clock, engine, registry = FakeClock(), Counting(), CollectorRegistry()
    scanner = await scanner_of(clock, engine, registry=registry)

    said = [(await scanner.scan(numbered(number)))[0] for number in range(50)]

    assert engine.seen == ["m0"]
    assert {verdict.outcome for verdict in said} == {Outcome.CLEAN}
    assert [verdict.detail for verdict in said[:2]] == ["", "from the cache, 0 s old"]

    def looks(result: str) -> float | None:
        labels = {"engine": "av", "result": result}
        return registry.get_sample_value("borderscout_scan_cache_total", labels)

    assert (looks("hit"), looks("miss")) == (49, 1)


@pytest.mark.parametrize(
    ("engine", "cache"),
    [(Counting(), False), (GoesByClient(), True), (Unmarked(), True)],
    ids=["switched off", "goes by more", "says nothing of it"],
)
async def test_without_the_mark_or_by_its_setting_each_is_scanned(
    engine: Counting | Unmarked, cache: bool
) -> None:
    scanner = await scanner_of(FakeClock(), engine, cache=cache)

    for number in range(3):
        await scanner.scan(numbered(number))

    assert engine.seen == ["m0", "m1", "m2"]


async def test_new_definitions_that_a_probe_tells_of_are_used_at_once() -> None:
    clock, engine = FakeClock(), Counting()
    scanner = await scanner_of(clock, engine)
    await scanner.scan(numbered(1))
    engine.version, engine.outcome = "2", Outcome.INFECTED

    await scanner.probe_all()
    (verdict,) = await scanner.scan(numbered(2))

    assert (verdict.outcome, engine.seen) == (Outcome.INFECTED, ["m1", "m2"])


async def test_who_brings_new_definitions_that_have_no_version_says_so() -> None:
    clock, engine = FakeClock(), Counting()
    scanner = await scanner_of(clock, engine)
    await scanner.scan(numbered(1))

    scanner.forget("av")
    await scanner.scan(numbered(2))

    assert engine.seen == ["m1", "m2"]


@pytest.mark.parametrize("mark", [True, False])
async def test_a_message_that_waits_for_one_engine_is_not_shown_to_the_others_again(
    mark: bool,
) -> None:
    clock = FakeClock()
    away, other = Counting("away"), (Counting if mark else GoesByClient)("other")
    away.outcome, other.outcome = Outcome.UNAVAILABLE, Outcome.MACRO
    scanner = await scanner_of(clock, away, other)
    await scanner.scan(numbered(1))
    await clock.advance(15)
    away.outcome = Outcome.CLEAN

    verdicts = await scanner.scan(numbered(1))

    assert [(v.outcome, v.detail) for v in verdicts] == [
        (Outcome.CLEAN, ""),
        (Outcome.MACRO, "kept from a try 15 s ago"),
    ]
    assert (away.seen, other.seen) == (["m1", "m1"], ["m1"])


async def test_what_was_said_of_a_waiting_message_holds_for_one_version_and_ten_minutes() -> None:
    clock = FakeClock()
    away, other = Counting("away"), GoesByClient("other")
    away.outcome = Outcome.ERROR
    scanner = await scanner_of(clock, away, other)
    await scanner.scan(numbered(1))
    other.version = "2"
    await scanner.probe_all()
    await clock.advance(1)

    await scanner.scan(numbered(1))
    await clock.advance(599)
    await scanner.scan(numbered(1))
    await clock.advance(1)
    await scanner.scan(numbered(1))

    assert len(other.seen) == 3


async def test_nothing_is_kept_of_a_message_that_all_engines_answered_on() -> None:
    scanner = await scanner_of(FakeClock(), engine := GoesByClient(), Counting("other"))

    for _ in range(2):
        await scanner.scan(numbered(1))

    assert engine.seen == ["m1", "m1"]


async def test_a_verdict_from_the_cache_tells_nothing_of_the_engine() -> None:
    registry, engine = CollectorRegistry(), Counting()
    scanner = await scanner_of(FakeClock(), engine, registry=registry)
    await scanner.scan(numbered(1))
    engine.outcome = Outcome.UNAVAILABLE
    await scanner.scan(numbered(2, b"another"))

    (verdict,) = await scanner.scan(numbered(3))

    assert verdict.outcome is Outcome.CLEAN
    assert registry.get_sample_value("borderscout_engine_up", {"engine": "av"}) == 0


async def test_nothing_older_is_said_of_a_message_than_it_may_be() -> None:
    """Such as of one whose zero hour is over: its engine may go by more than what it tells."""
    clock, engine = FakeClock(), Counting()
    scanner = await scanner_of(clock, engine)
    await scanner.scan(numbered(1))
    await clock.advance(60)

    await scanner.scan(replace(numbered(2), said_within_s=60.0))
    await scanner.scan(replace(numbered(3), said_within_s=60.0))

    assert engine.seen == ["m1", "m2"]
