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
        self.definitions_us = 0
        self._work = work

    async def scan(self, sample: object, *, deadline_s: float) -> Verdict:
        return cast(Verdict, await self._work())

    async def probe(self) -> EngineHealth:
        await self._work()
        return EngineHealth(
            answering=True,
            version="1\x1b",
            detail="\r\n",
            definitions_us=self.definitions_us,
        )

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


@pytest.mark.parametrize(
    ("outcomes", "alone"),
    [
        ((Outcome.INFECTED, Outcome.CLEAN), [1, 0]),
        ((Outcome.LIMITS, Outcome.INFECTED), [0, 1]),
        ((Outcome.UNAVAILABLE, Outcome.INFECTED), [0, 0]),  # the other one may know it, too
        ((Outcome.INFECTED, Outcome.INFECTED), [0, 0]),
        ((Outcome.CLEAN, Outcome.ENCRYPTED), [0, 0]),
    ],
)
async def test_what_one_engine_alone_finds_is_counted(
    outcomes: tuple[Outcome, Outcome], alone: list[int]
) -> None:
    registry = CollectorRegistry()
    said = [Verdict(by=by, outcome=one) for by, one in zip("ab", outcomes, strict=True)]
    engines = [Puppet(verdict.by, gives(verdict)) for verdict in said]
    scanner = scanner_of(*engines, registry=registry)

    await scanner.scan(SAMPLE)

    name = "borderscout_scan_found_alone_total"
    assert [registry.get_sample_value(name, {"engine": by}) for by in "ab"] == alone


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


async def test_the_age_of_definitions_is_seen_where_an_engine_says_it() -> None:
    registry = CollectorRegistry()
    engine = Puppet("well", gives(None))
    scanner = scanner_of(engine, registry=registry)

    def age_s() -> float | None:
        name = "borderscout_engine_definitions_age_seconds"
        return registry.get_sample_value(name, {"engine": "well"})

    await scanner.probe_all()
    assert age_s() is None
    engine.definitions_us = SystemClock().now_us() - 90_000_000
    await scanner.probe_all()
    first_s = age_s()
    assert first_s is not None
    assert 90.0 <= first_s < 3600.0
    engine.definitions_us = 0
    await scanner.probe_all()
    assert age_s() is None


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
        (raises(asyncio.CancelledError()), Outcome.ERROR),
    ],
)
async def test_an_engine_that_keeps_its_time_is_asked_without_a_task(
    work: Work, outcome: Outcome
) -> None:
    tasks: list[asyncio.Task[Any] | None] = []

    async def looked() -> object:
        tasks.append(asyncio.current_task())
        return await work()

    (verdict,) = await scanner_of(Punctual("bears", looked)).scan(SAMPLE)

    assert (verdict.by, verdict.outcome) == ("bears", outcome)
    assert tasks[0] is asyncio.current_task()  # a silence is followed by a trial


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


class Hanging(Puppet):
    """An engine that answers nobody until it is told to."""

    keeps_its_time = True

    def __init__(self) -> None:
        super().__init__("hung", hang)
        self.is_well = False
        self.asked = 0

    async def scan(self, sample: object, *, deadline_s: float) -> Verdict:
        self.asked += 1
        if not self.is_well:
            await asyncio.wait_for(hang(), deadline_s)
        return CLEAN

    async def probe(self) -> EngineHealth:
        return EngineHealth(answering=self.is_well, detail="silent")


class HangingHere(Hanging):
    """One that is this node's own work."""

    works_here = True


async def outcomes(scanner: Scanner, count: int, **options: Any) -> list[Outcome]:
    scans = [scanner.scan(SAMPLE, **options) for _ in range(count)]
    return [verdicts[0].outcome for verdicts in await asyncio.gather(*scans)]


async def test_an_engine_that_answered_nobody_is_not_waited_for() -> None:
    registry = CollectorRegistry()
    engine = Hanging()
    scanner = scanner_of(engine, registry=registry, timeout_s=0.02)
    await outcomes(scanner, 3)

    assert await outcomes(scanner, 200) == [Outcome.UNAVAILABLE] * 200

    assert engine.asked == 4  # by three messages and a trial
    assert registry.get_sample_value("borderscout_engine_breaker_open", {"engine": "hung"}) == 1.0


async def test_who_waits_for_an_engine_is_told_when_it_is_left_alone() -> None:
    engine = Hanging()
    scanner = scanner_of(engine, timeout_s=300.0)
    waiting = asyncio.create_task(outcomes(scanner, 20))
    async with asyncio.timeout(10):
        while engine.asked < 20:
            await asyncio.sleep(0)

    await scanner.probe_all()

    async with asyncio.timeout(10):
        assert await waiting == [Outcome.TIMEOUT] * 20  # each may be the reason
    assert await outcomes(scanner, 5) == [Outcome.UNAVAILABLE] * 5


async def test_an_engine_of_the_node_itself_is_busy_and_never_left_alone() -> None:
    engine = HangingHere()
    scanner = scanner_of(engine, timeout_s=0.02)
    await outcomes(scanner, 3)
    waiting = asyncio.create_task(outcomes(scanner, 1))
    await scanner.probe_all()
    await waiting
    engine.is_well = True

    assert await outcomes(scanner, 200) == [Outcome.CLEAN] * 200


async def test_an_engine_that_scans_a_trial_beside_its_probe_is_asked_again() -> None:
    engine = Hanging()
    scanner = scanner_of(engine, timeout_s=0.02)
    await outcomes(scanner, 3)
    engine.is_well = True

    assert (await scanner.probe_all())["hung"].answering

    assert await outcomes(scanner, 50) == [Outcome.CLEAN] * 50


async def test_messages_that_no_engine_can_finish_do_not_make_it_silent() -> None:
    engine = Hanging()
    scanner = scanner_of(engine, timeout_s=0.01)

    await outcomes(scanner, 10, known=("hung",))

    engine.is_well = True
    assert await outcomes(scanner, 1) == [Outcome.CLEAN]


async def test_a_scan_that_is_cancelled_says_nothing_of_its_engine() -> None:
    engine = Hanging()
    scanner = scanner_of(engine, timeout_s=300.0)
    for _ in range(5):
        scan = asyncio.create_task(scanner.scan(SAMPLE))
        await asyncio.sleep(0.01)
        scan.cancel()
        await asyncio.wait([scan])

    await scanner.probe_all()  # nobody waits for it now

    engine.is_well = True
    assert await outcomes(scanner, 1) == [Outcome.CLEAN]


async def test_silences_beside_answers_to_others_are_of_the_messages() -> None:
    """Twenty crafted messages come at once, and time out at once."""
    engine = Hanging()
    scanner = scanner_of(engine, timeout_s=0.3)
    crafted = asyncio.create_task(outcomes(scanner, 20))
    async with asyncio.timeout(10):
        while engine.asked < 20:
            await asyncio.sleep(0)
    engine.is_well = True  # to those that come now

    assert await outcomes(scanner, 1) == [Outcome.CLEAN]

    assert await crafted == [Outcome.TIMEOUT] * 20
    assert await outcomes(scanner, 50) == [Outcome.CLEAN] * 50
