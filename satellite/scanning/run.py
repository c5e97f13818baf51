"""Who asks the engines, and what if one does not behave?

Touches the event loop and the metrics. All engines work at once, each within its time; an engine
that raises, returns nonsense or does not end has a verdict that says so. There is one verdict for
each engine, always.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from common.clock import Clock
from common.tasks import outcome_of
from common.verdict import DETAIL_LENGTH_MAX, Outcome, Verdict, printable
from satellite.scanning.engine import Engine, EngineHealth, Fitted
from satellite.scanning.plan import Candidate, plan
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
        self.duration = Histogram(
            "borderscout_scan_duration_seconds",
            "Time an engine took for one message",
            ["engine"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        self.results = Counter(
            "borderscout_scan_results_total",
            "Verdicts of an engine by outcome",
            ["engine", "result"],
            registry=registry,
        )
        self.up = Gauge(
            "borderscout_engine_up",
            "Whether the engine answered when it was last asked",
            ["engine"],
            registry=registry,
        )


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
        self._candidates = tuple(
            Candidate(
                name=item.settings.name,
                bytes_max=item.settings.bytes_max,
                timeout_s=item.settings.timeout_s,
            )
            for item in engines
        )
        self._clock = clock
        self._total_s = total_s
        self._grace_s = grace_s
        self._metrics = _Metrics(registry)
        self._stubborn: set[asyncio.Task[Any]] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the configured engines, in order."""
        return tuple(self._engines)

    async def scan(self, sample: Sample) -> tuple[Verdict, ...]:
        """Return one verdict for each engine, in the order of the settings; raises nothing."""
        plan_ = plan(self._candidates, size=sample.size, total_s=self._total_s)
        tasks = {
            name: asyncio.create_task(self._verdict(name, sample, seconds), name=f"scan.{name}")
            for name, seconds in plan_.ask
        }
        try:
            if tasks:
                await asyncio.wait(tasks.values())  # each ends in its time, see `_within`
        finally:
            for task in tasks.values():
                task.cancel()
        by_name = {verdict.by: verdict for verdict in plan_.skipped}
        by_name |= {name: task.result() for name, task in tasks.items()}
        verdicts = tuple(by_name[name] for name in plan_.order)
        for verdict in verdicts:
            self._count(verdict)
        return verdicts

    async def probe_all(self) -> Mapping[str, EngineHealth]:
        """Return for each engine whether it would answer now; raises nothing."""
        names = list(self._engines)
        found = await asyncio.gather(*(self._health(self._engines[name]) for name in names))
        for name, health in zip(names, found, strict=True):
            self._metrics.up.labels(name).set(1 if health.answering else 0)
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

    async def _verdict(self, name: str, sample: Sample, seconds: float) -> Verdict:
        began_s = self._clock.monotonic_s()
        said = await self._within(
            _asked(name, self._engines[name], sample, seconds),
            seconds + self._grace_s,
            name=f"engine.{name}",
        )
        took_s = self._clock.monotonic_s() - began_s
        self._metrics.duration.labels(name).observe(took_s)
        if isinstance(said, Verdict):
            return said
        verdict = _failed(name, said, seconds)
        log.warning("engine.failed", engine=name, message=sample.id, detail=verdict.detail)
        return replace(verdict, ms=round(took_s * 1000))

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
            if not task.done():
                task.cancel()
                self._stubborn.add(task)
                task.add_done_callback(self._forget)
        if not task.done():
            return TimeoutError()
        if task.cancelled():
            return RuntimeError("it cancelled itself")
        return task.result()

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
        self._metrics.results.labels(verdict.by, str(verdict.outcome)).inc()
        if verdict.outcome is not Outcome.SKIPPED:
            self._metrics.up.labels(verdict.by).set(0 if verdict.outcome in _SILENT else 1)


async def _asked(name: str, engine: Engine, sample: Sample, seconds: float) -> Verdict:
    """Return an engine's verdict as it may enter headers and records, whatever it returned.

    Raises:
        TypeError: it is no verdict, or not one that an engine may give.
    """
    said = await engine.scan(sample, deadline_s=seconds)
    if not isinstance(said, Verdict) or said.outcome is Outcome.SCORED:
        raise TypeError(f"{said!r} is no verdict of an engine")
    return replace(
        said,
        by=name,
        outcome=Outcome(said.outcome),
        version=printable(said.version),
        threats=tuple(printable(threat) for threat in said.threats[:THREATS_MAX]),
        detail=printable(said.detail, length_max=DETAIL_LENGTH_MAX),
        tests=(),
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
