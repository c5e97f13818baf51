"""How are all engines run on a message, each within its time limit?

Touches the event loop and the metrics. All engines work at once, each within its time; an engine
that raises, returns nonsense or does not end has a verdict that says so. There is one verdict for
each engine, always.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from common.clock import Clock
from common.tasks import outcome_of, outcome_of_call
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable
from satellite.durations import Durations
from satellite.scanning.engine import (
    Engine,
    EngineAnswersAtOnce,
    EngineHealth,
    Fitted,
    KeepsItsTime,
)
from satellite.scanning.plan import EngineCandidate, plan
from satellite.scanning.sample import Sample

log = structlog.get_logger()

TOTAL_S = 300.0  # for all engines on one message; it is asked again later anyway
GRACE_S = 1.0  # an engine keeps its own time; this is for one that does not
PROBE_S = 15.0
CLOSE_S = 5.0
THREATS_MAX = 16  # names in one verdict
BUCKETS_S = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0)

T = TypeVar("T")

_SILENT = frozenset({Outcome.UNAVAILABLE, Outcome.TIMEOUT})


class _Metrics:
    """What the operators see of the engines."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.took = Durations(
            "borderscout_scan_duration_seconds",
            "Time an engine took for one message",
            label="engine",
            bounds_s=BUCKETS_S,
            registry=registry,
        ).took
        self.results = Counter(
            "borderscout_scan_results_total",
            "Verdicts of an engine by outcome",
            ["engine", "result"],
            registry=registry,
        )
        self.up = Gauge(
            "borderscout_engine_up",
            "1 while the engine answers when it is asked, else 0",
            ["engine"],
            registry=registry,
        )
        # Looking a label up costs more than counting: each is looked up once.
        self._results: dict[tuple[str, Outcome], Counter] = {}
        self._is_up: dict[str, bool] = {}

    def result(self, engine: str, outcome: Outcome) -> None:
        """Count a verdict."""
        child = self._results.get((engine, outcome))
        if child is None:
            child = self._results[engine, outcome] = self.results.labels(engine, outcome.value)
        child.inc()

    def is_up(self, engine: str, is_up: bool) -> None:
        """Note whether an engine answered."""
        if self._is_up.get(engine) is not is_up:
            self._is_up[engine] = is_up
            self.up.labels(engine).set(1 if is_up else 0)


class Scanner:
    """All engines of one worker.

    Args:
        engines: in the order in which their verdicts shall stand.
        clock: measures how long they take.
        registry: where the metrics go.
        total_s: seconds for all engines on one message.
        grace_s: seconds beyond its time after which an engine is given up.
    """

    def __init__(
        self,
        engines: Sequence[Fitted],
        clock: Clock,
        *,
        registry: CollectorRegistry,
        total_s: float = TOTAL_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self._engines = {item.settings.name: item.engine for item in engines}
        self._at_once_engines = {
            name: engine
            for name, engine in self._engines.items()
            if isinstance(engine, EngineAnswersAtOnce)
        }
        self._punctual = frozenset(
            name
            for name, engine in self._engines.items()
            if isinstance(engine, KeepsItsTime) and engine.keeps_its_time
        )
        self._candidates = tuple(
            EngineCandidate(
                name=item.settings.name,
                bytes_max=item.settings.bytes_max,
                timeout_s=item.settings.timeout_s,
            )
            for item in engines
        )
        self._clock = clock
        self._total_s = total_s
        # Nearly all mail is small enough for every engine, and has one plan.
        self._usual = plan(self._candidates, size=0, total_s=total_s)
        self._usual_bytes_max = min(
            (item.bytes_max for item in self._candidates if item.bytes_max), default=sys.maxsize
        )
        self._grace_s = grace_s
        self._metrics = _Metrics(registry)
        self._stubborn: set[asyncio.Task[Any]] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the configured engines, in order."""
        return tuple(self._engines)

    async def scan(self, sample: Sample) -> tuple[Verdict, ...]:
        """Return one verdict for each engine, in the order of the settings; raises nothing."""
        plan_ = self._usual
        if sample.size > self._usual_bytes_max:
            plan_ = plan(self._candidates, size=sample.size, total_s=self._total_s)
        by_name = {verdict.by: verdict for verdict in plan_.skipped}
        wanted: list[tuple[str, float]] = []
        for name, seconds in plan_.ask:
            verdict = self._at_once(name, sample)
            if verdict is None:
                wanted.append((name, seconds))
            else:
                by_name[name] = verdict
        if len(wanted) == 1 and wanted[0][0] in self._punctual:
            ((name, seconds),) = wanted
            by_name[name] = await self._asked_here(name, sample, seconds)
        elif wanted:
            by_name |= await self._asked_all(wanted, sample)
        verdicts = tuple(by_name[name] for name in plan_.order)
        for verdict in verdicts:
            self._count(verdict)
        return verdicts

    async def probe_all(self) -> Mapping[str, EngineHealth]:
        """Return for each engine whether it would answer now; raises nothing."""
        names = list(self._engines)
        found = await asyncio.gather(*(self._health(self._engines[name]) for name in names))
        for name, health in zip(names, found, strict=True):
            self._metrics.is_up(name, health.answering)
            if not health.answering:
                log.warning("engine.silent", engine=name, detail=health.detail)
        return dict(zip(names, found, strict=True))

    async def close(self) -> None:
        """Let all engines go."""
        for name, engine in self._engines.items():
            failure = await self._within(_closed(engine), CLOSE_S, name=f"close.{name}")
            if isinstance(failure, Exception):
                log.warning("engine.close_failed", engine=name, error=repr(failure))
        for task in self._stubborn:
            task.cancel()

    def _at_once(self, name: str, sample: Sample) -> Verdict | None:
        """Return the verdict of an engine that need not be waited for, or None."""
        engine = self._at_once_engines.get(name)
        if engine is None:
            return None
        began_s = self._clock.monotonic_s()
        said = outcome_of_call(_said_at_once, name, engine, sample)
        if isinstance(said, Exception):
            log.warning("engine.failed", engine=name, message=sample.id, detail=repr(said))
            return None  # it is asked like the others then
        if said is not None:
            self._metrics.took(name, self._clock.monotonic_s() - began_s)
        return said

    async def _asked_here(self, name: str, sample: Sample, seconds: float) -> Verdict:
        """Return the verdict of an engine that ends by itself, without a task to watch it."""
        began_s = self._clock.monotonic_s()
        try:
            said = await outcome_of(_asked(name, self._engines[name], sample, seconds))
        finally:
            took_s = self._clock.monotonic_s() - began_s
            self._metrics.took(name, took_s)
        return self._verdict(name, said, sample, seconds, took_s)

    async def _asked_all(
        self, wanted: Sequence[tuple[str, float]], sample: Sample
    ) -> dict[str, Verdict]:
        """Return the verdicts of engines that work at the same time, each within its own."""
        began_s = self._clock.monotonic_s()
        tasks = {
            name: asyncio.create_task(self._heard(name, sample, seconds), name=f"engine.{name}")
            for name, seconds in wanted
        }
        verdicts: dict[str, Verdict] = {}
        try:
            for seconds in sorted({seconds for _, seconds in wanted}):
                those = [name for name, limit_s in wanted if limit_s == seconds]
                left_s = began_s + seconds + self._grace_s - self._clock.monotonic_s()
                await asyncio.wait([tasks[name] for name in those], timeout=max(0.0, left_s))
                took_s = self._clock.monotonic_s() - began_s
                for name in those:
                    said = _result(tasks[name])
                    self._give_up(tasks[name])
                    verdicts[name] = self._verdict(name, said, sample, seconds, took_s)
        finally:
            for task in tasks.values():
                self._give_up(task)
        return verdicts

    def _verdict(
        self, name: str, said: Verdict | Exception, sample: Sample, seconds: float, took_s: float
    ) -> Verdict:
        if isinstance(said, Verdict):
            return said
        verdict = _failed(name, said, seconds)
        log.warning("engine.failed", engine=name, message=sample.id, detail=verdict.detail)
        return replace(verdict, ms=round(took_s * 1000))

    async def _heard(self, name: str, sample: Sample, seconds: float) -> Verdict | Exception:
        began_s = self._clock.monotonic_s()
        try:
            return await outcome_of(_asked(name, self._engines[name], sample, seconds))
        finally:
            self._metrics.took(name, self._clock.monotonic_s() - began_s)

    async def _within(
        self, work: Coroutine[Any, Any, T], seconds: float, *, name: str
    ) -> T | Exception:
        """Return what ``work`` gives, the exception that it raises, or TimeoutError.

        It is not waited for beyond its time, even if it does not obey its cancellation.
        """
        task = asyncio.create_task(outcome_of(work), name=name)
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            self._give_up(task)
        return _result(task)

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        """Wait no longer for a task that has not ended, whether or not it obeys."""
        if not task.done() and task not in self._stubborn:
            task.cancel()
            self._stubborn.add(task)
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._stubborn.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that it is not reported as never retrieved

    async def _health(self, engine: Engine) -> EngineHealth:
        said = await self._within(_probed(engine), PROBE_S, name="probe")
        if isinstance(said, EngineHealth):
            return said
        return EngineHealth(answering=False, detail=printable(f"the engine failed: {said!r}"))

    def _count(self, verdict: Verdict) -> None:
        self._metrics.result(verdict.by, verdict.outcome)
        if verdict.outcome is not Outcome.SKIPPED:
            self._metrics.is_up(verdict.by, verdict.outcome not in _SILENT)


def _result(task: asyncio.Task[T | Exception]) -> T | Exception:
    """Return how a task ended: what it gave, or why it gave nothing."""
    if not task.done():
        return TimeoutError()
    if task.cancelled():
        return RuntimeError("it cancelled itself")
    return task.result()


async def _asked(name: str, engine: Engine, sample: Sample, seconds: float) -> Verdict:
    """Return an engine's verdict as it may enter headers and records, whatever it returned.

    Raises:
        TypeError: it is no verdict, or not one that an engine may give.
    """
    return _presentable(name, await engine.scan(sample, deadline_s=seconds))


def _said_at_once(name: str, engine: EngineAnswersAtOnce, sample: Sample) -> Verdict | None:
    said = engine.scan_at_once(sample)
    return None if said is None else _presentable(name, said)


def _presentable(name: str, said: object) -> Verdict:
    """Return an engine's verdict with nothing in it that could break a line, and bounded.

    Raises:
        TypeError: it is no verdict, or not one that an engine may give.
    """
    if not isinstance(said, Verdict) or said.outcome is Outcome.SCORED:
        raise TypeError(f"{said!r} is no verdict of an engine")
    if _is_presentable(name, said):  # nearly always, since nearly all mail is clean
        return said
    return Verdict(
        by=name,
        outcome=Outcome(said.outcome),
        version=printable(said.version),
        ms=said.ms,
        threats=tuple(printable(threat) for threat in said.threats[:THREATS_MAX]),
        detail=printable(said.detail, length_max=DETAIL_LENGTH_MAX),
        attempt=said.attempt,
    )


def _is_presentable(name: str, said: Verdict) -> bool:
    """Say whether a verdict of nothing found can stand as it is."""
    return (
        said.by == name
        and type(said.outcome) is Outcome
        and not (said.threats or said.detail or said.tests)
        and isinstance(said.threats, tuple)
        and printable(said.version) == said.version
    )


async def _probed(engine: Engine) -> EngineHealth:
    said = await engine.probe()
    return replace(said, version=printable(said.version), detail=printable(said.detail))


async def _closed(engine: Engine) -> None:
    await engine.close()


def _failed(name: str, failure: Exception, seconds: float) -> Verdict:
    if isinstance(failure, TimeoutError):
        detail = f"no answer within {seconds:g} s"
        return Verdict(by=name, outcome=Outcome.TIMEOUT, detail=detail)
    detail = printable(f"the engine failed: {failure!r}", length_max=DETAIL_LENGTH_MAX)
    return Verdict(by=name, outcome=Outcome.ERROR, detail=detail)
