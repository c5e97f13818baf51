"""The scanner: one verdict for each engine, whatever an engine does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.engine import Engine, EngineHealth, Fitted
from satellite.scanning.run import Scanner
from tests.support.scanning.messages import sample_of

SAMPLE = sample_of(b"Subject: x\r\n\r\nhello\r\n")
Work = Callable[[], Awaitable[Any]]


class Puppet:
    """An engine that does what a test tells it to."""

    def __init__(self, name: str, work: Work) -> None:
        self.name = name
        self.closed = False
        self._work = work

    async def scan(self, sample: object, *, deadline_s: float) -> Verdict:
        return cast(Verdict, await self._work())

    async def probe(self) -> EngineHealth:
        await self._work()
        return EngineHealth(answering=True, version="1\x1b", detail="\r\n")

    async def close(self) -> None:
        self.closed = True
        await self._work()


def scanner_of(
    *engines: Engine, registry: CollectorRegistry | None = None, timeout_s: float = 20.0
) -> Scanner:
    fitted = [
        Fitted(
            engine=engine,
            settings=EngineSettings(name=engine.name, kind="puppet", timeout_s=timeout_s),
        )
        for engine in engines
    ]
    return Scanner(fitted, SystemClock(), registry=registry or CollectorRegistry(), grace_s=0.05)


def gives(value: object) -> Work:
    async def work() -> object:
        return value

    return work


def raises(error: BaseException) -> Work:
    async def work() -> object:
        raise error

    return work


async def hang() -> None:
    await asyncio.Event().wait()


CLEAN = Verdict(by="other", outcome=Outcome.CLEAN)


@pytest.mark.parametrize(
    ("work", "outcome"),
    [
        (gives(CLEAN), Outcome.CLEAN),
        (gives(None), Outcome.ERROR),
        (gives(True), Outcome.ERROR),
        (gives("clean"), Outcome.ERROR),
        (gives(Verdict(by="e", outcome=Outcome.SCORED)), Outcome.ERROR),
        (gives(Verdict(by="e", outcome=cast(Outcome, "fine"))), Outcome.ERROR),
        (gives(Verdict(by="e", outcome=Outcome.CLEAN, threats=cast(Any, None))), Outcome.ERROR),
        (raises(ValueError("x")), Outcome.ERROR),
        (raises(MemoryError()), Outcome.ERROR),
        (raises(TimeoutError()), Outcome.TIMEOUT),
        (raises(asyncio.CancelledError()), Outcome.ERROR),
    ],
)
async def test_one_engine_does_not_spoil_another(work: Work, outcome: Outcome) -> None:
    scanner = scanner_of(Puppet("bad", work), Puppet("good", gives(CLEAN)))

    verdicts = await scanner.scan(SAMPLE)

    assert [(v.by, v.outcome) for v in verdicts] == [("bad", outcome), ("good", Outcome.CLEAN)]


async def test_an_engine_that_is_no_coroutine_is_an_error() -> None:
    class Plain(Puppet):
        def scan(self, sample: object, *, deadline_s: float) -> Any:
            return CLEAN

    (verdict,) = await scanner_of(Plain("plain", hang)).scan(SAMPLE)

    assert verdict.outcome is Outcome.ERROR


async def test_an_engine_that_hangs_is_given_up_and_the_others_count() -> None:
    scanner = scanner_of(Puppet("hung", hang), Puppet("good", gives(CLEAN)), timeout_s=0.05)

    verdicts = await scanner.scan(SAMPLE)

    assert [v.outcome for v in verdicts] == [Outcome.TIMEOUT, Outcome.CLEAN]
    assert verdicts[0].detail == "no answer within 0.05 s"


async def test_an_engine_that_does_not_obey_its_cancellation_holds_nobody() -> None:
    release = asyncio.Event()

    async def stubborn() -> Verdict:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return CLEAN

    (verdict,) = await scanner_of(Puppet("stubborn", stubborn), timeout_s=0.05).scan(SAMPLE)

    assert verdict.outcome is Outcome.TIMEOUT
    release.set()
    await asyncio.sleep(0)


async def test_engines_work_at_the_same_time() -> None:
    both = asyncio.Barrier(3)

    async def work() -> Verdict:
        await both.wait()
        return CLEAN

    verdicts = await scanner_of(*(Puppet(f"e{n}", work) for n in range(3))).scan(SAMPLE)

    assert [v.outcome for v in verdicts] == [Outcome.CLEAN] * 3


async def test_a_cancelled_scan_cancels_its_engines() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    scan = asyncio.create_task(scanner_of(Puppet("e", work)).scan(SAMPLE))
    await started.wait()
    scan.cancel()
    async with asyncio.timeout(10):
        await ended.wait()

    assert (await asyncio.gather(scan, return_exceptions=True))[0].__class__ is (
        asyncio.CancelledError
    )


async def test_what_an_engine_says_is_bounded_and_printable() -> None:
    loud = Verdict(
        by="e",
        outcome=Outcome.INFECTED,
        version="1\r\nX: y",
        threats=tuple("n" * 1000 for _ in range(100)),
        detail="d\x1b" * 5000,
    )

    (verdict,) = await scanner_of(Puppet("e", gives(loud))).scan(SAMPLE)

    assert verdict.version == "1??X: y"
    assert len(verdict.threats) == 16
    assert {len(threat) for threat in verdict.threats} == {256}
    assert len(verdict.detail) == 1024
    assert verdict.detail.isprintable()


async def test_mail_beyond_an_engines_size_is_skipped_and_seen() -> None:
    engine = Puppet("small", gives(CLEAN))
    settings = EngineSettings(name="small", kind="puppet", bytes_max=5)
    scanner = Scanner(
        [Fitted(engine=engine, settings=settings)], SystemClock(), registry=CollectorRegistry()
    )

    (verdict,) = await scanner.scan(SAMPLE)

    assert verdict.outcome is Outcome.SKIPPED


async def test_no_engine_gives_no_verdict() -> None:
    assert await scanner_of().scan(SAMPLE) == ()


async def test_metrics_tell_results_and_life() -> None:
    registry = CollectorRegistry()
    infected = Verdict(by="a", outcome=Outcome.INFECTED, threats=("X",))
    gone = Verdict(by="b", outcome=Outcome.UNAVAILABLE)
    scanner = scanner_of(Puppet("a", gives(infected)), Puppet("b", gives(gone)), registry=registry)

    await scanner.scan(SAMPLE)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("borderscout_scan_results_total", engine="a", result="infected") == 1
    assert value("borderscout_scan_results_total", engine="b", result="unavailable") == 1
    assert value("borderscout_engine_up", engine="a") == 1
    assert value("borderscout_engine_up", engine="b") == 0
    assert value("borderscout_scan_duration_seconds_count", engine="a") == 1


async def test_probing_tells_of_each_engine_and_survives_all() -> None:
    registry = CollectorRegistry()
    scanner = scanner_of(
        Puppet("well", gives(None)), Puppet("ill", raises(KeyError("x"))), registry=registry
    )

    health = await scanner.probe_all()

    assert health["well"] == EngineHealth(answering=True, version="1?", detail="??")
    assert not health["ill"].answering
    assert "KeyError" in health["ill"].detail
    assert registry.get_sample_value("borderscout_engine_up", {"engine": "well"}) == 1
    assert registry.get_sample_value("borderscout_engine_up", {"engine": "ill"}) == 0


async def test_closing_closes_each_engine_though_one_fails() -> None:
    engines = [Puppet("ill", raises(OSError("x"))), Puppet("well", gives(None))]

    await scanner_of(*engines).close()

    assert [engine.closed for engine in engines] == [True, True]


class Swift(Puppet):
    """A puppet that has an answer at once, or fails to have one."""

    def __init__(self, at_once: Callable[[], Any]) -> None:
        super().__init__("swift", gives(CLEAN))
        self._now = at_once

    def scan_at_once(self, sample: object) -> Any:
        return self._now()


def fails() -> None:
    raise ValueError("x")


@pytest.mark.parametrize(
    ("at_once", "outcome"),
    [
        (lambda: Verdict(by="e", outcome=Outcome.INFECTED, threats=("X\r\n",)), Outcome.INFECTED),
        (lambda: None, Outcome.CLEAN),
        (lambda: True, Outcome.CLEAN),
        (fails, Outcome.CLEAN),
        (lambda: Verdict(by="e", outcome=Outcome.SCORED), Outcome.CLEAN),
    ],
    ids=["says so", "has none", "no verdict", "fails", "a filter's word"],
)
async def test_who_has_no_answer_at_once_is_asked(
    at_once: Callable[[], Any], outcome: Outcome
) -> None:
    scanner = scanner_of(Swift(at_once), Puppet("other", gives(CLEAN)))

    verdicts = await scanner.scan(SAMPLE)

    assert [(v.by, v.outcome) for v in verdicts] == [("swift", outcome), ("other", Outcome.CLEAN)]
    assert all(threat.isprintable() for threat in verdicts[0].threats)


async def test_engines_with_different_times_are_each_given_up_in_theirs() -> None:
    engines = [Puppet("long", gives(CLEAN)), Puppet("short", hang)]
    fitted = [
        Fitted(
            engine=engine, settings=EngineSettings(name=engine.name, kind="p", timeout_s=seconds)
        )
        for engine, seconds in zip(engines, (20.0, 0.05), strict=True)
    ]
    scanner = Scanner(fitted, SystemClock(), registry=CollectorRegistry(), grace_s=0.05)

    verdicts = await scanner.scan(SAMPLE)

    assert [v.outcome for v in verdicts] == [Outcome.CLEAN, Outcome.TIMEOUT]


class Punctual(Puppet):
    """An engine that bears the mark."""

    keeps_its_time = True


@pytest.mark.parametrize(
    ("work", "outcome"),
    [
        (gives(CLEAN), Outcome.CLEAN),
        (gives(None), Outcome.ERROR),
        (gives(Verdict(by="e", outcome=Outcome.CLEAN, threats=cast(Any, None))), Outcome.ERROR),
        (raises(ValueError("x")), Outcome.ERROR),
        (raises(TimeoutError()), Outcome.TIMEOUT),
    ],
)
async def test_an_engine_that_keeps_its_time_is_asked_without_a_task(
    work: Work, outcome: Outcome
) -> None:
    tasks: set[asyncio.Task[Any] | None] = set()

    async def looked() -> object:
        tasks.add(asyncio.current_task())
        return await work()

    (verdict,) = await scanner_of(Punctual("bears", looked)).scan(SAMPLE)

    assert (verdict.by, verdict.outcome) == ("bears", outcome)
    assert tasks == {asyncio.current_task()}


async def test_mail_beyond_the_smallest_bound_of_the_engines_has_a_plan_of_its_own() -> None:
    fitted = [
        Fitted(
            engine=Puppet(name, gives(CLEAN)),
            settings=EngineSettings(name=name, kind="puppet", bytes_max=bytes_max),
        )
        for name, bytes_max in (("any", 0), ("small", 10), ("large", 1000))
    ]
    scanner = Scanner(fitted, SystemClock(), registry=CollectorRegistry())

    for size, skipped in (
        (10, set()),
        (11, {"small"}),
        (1000, {"small"}),
        (1001, {"small", "large"}),
    ):
        verdicts = await scanner.scan(sample_of(b"x" * size))
        assert {v.by for v in verdicts if v.outcome is Outcome.SKIPPED} == skipped
