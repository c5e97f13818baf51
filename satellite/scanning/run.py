"""How are all engines run on a message, each within its time limit?

Touches the event loop and the metrics. All engines work at once, each within its time; one that
answered nobody of late is not asked, and is ``unavailable``. There is one verdict for each engine,
always.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.ids import MessageId
from common.verdict import Verdict
from satellite.scanning.absences import Absences
from satellite.scanning.asked_engine import UNANSWERED, AskedEngine
from satellite.scanning.deaths import deaths_of
from satellite.scanning.engine import EngineHealth, Fitted
from satellite.scanning.metrics import ScanMetrics
from satellite.scanning.opened import with_opened
from satellite.scanning.patience import Patience, ended
from satellite.scanning.plan import TimeBudget, plan, usual_bytes_max
from satellite.scanning.sample import Sample
from satellite.scanning.set_aside import SetAside

GRACE_S = 1.0  # an engine keeps its own time; this is for one that does not


class Scanner:
    """All engines of one worker.

    Args:
        engines: in the order in which their verdicts shall stand.
        clock: measures how long they take.
        registry: where the metrics go.
        grace_s: seconds beyond its time after which an engine is given up.
    """

    def __init__(
        self,
        engines: Sequence[Fitted],
        clock: Clock,
        *,
        registry: CollectorRegistry,
        grace_s: float = GRACE_S,
    ) -> None:
        self._clock = clock
        self._metrics = ScanMetrics(registry)
        self._set_aside = SetAside(clock, registry)
        self._patience = Patience()
        self.absences = Absences()
        self._engines = {
            item.settings.name: AskedEngine(
                item,
                clock,
                metrics=self._metrics,
                absences=self.absences,
                patience=self._patience,
                set_aside=self._set_aside,
                grace_s=grace_s,
            )
            for item in engines
        }
        self._candidates = tuple(item.settings for item in engines)
        # Nearly all mail is small enough for every engine, and has one plan.
        self._usual = plan(self._candidates, size=0)
        self._usual_bytes_max = usual_bytes_max(self._candidates)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the configured engines, in order."""
        return tuple(self._engines)

    async def scan(
        self,
        sample: Sample,
        *,
        known: Collection[str] = (),
        others_done: Callable[[], None] = lambda: None,
    ) -> tuple[Verdict, ...]:
        """Return one verdict for each engine, in the order of the settings; raises nothing.

        Args:
            sample: the message.
            known: engines that did not answer on this very message before, and those that died of
                it (``deaths_of``).
            others_done: called, perhaps again, once no engine is asked but those that work here,
                for whose turn a message may wait for long.
        """
        plan_ = self._usual
        if sample.size > self._usual_bytes_max:
            plan_ = plan(self._candidates, size=sample.size)
        by_name = {verdict.by: verdict for verdict in plan_.skipped}
        wanted: list[tuple[AskedEngine, TimeBudget]] = []
        for name, budget in plan_.ask:
            engine = self._engines[name]
            verdict = engine.without_asking(sample)
            if verdict is not None:
                by_name[name] = verdict
            elif engine.admits(sample, is_known=name in known):
                wanted.append((engine, budget))
            else:
                by_name[name] = engine.left_alone()
        if wanted:
            asked_s = self._clock.monotonic_s()
            by_name |= await self._asked(wanted, sample, known, others_done)
            if not UNANSWERED.isdisjoint([verdict.outcome for verdict in by_name.values()]):
                for engine, _ in wanted:
                    engine.keep(sample, by_name[engine.name], asked_s=asked_s)
        verdicts = tuple([by_name[name] for name in plan_.order])
        if [verdict for verdict in verdicts if verdict.unreadable]:
            verdicts = with_opened(verdicts, await self._opened_kinds(sample.size))
        for verdict in verdicts:
            self._metrics.result(verdict.by, verdict.outcome)
        self._metrics.looked(verdicts)
        return verdicts

    def forget(self, name: str) -> None:
        """Let no earlier verdict of an engine stand for another message: it has new definitions.

        For who brought them, such as databases of one's own beside ClamAV's, whose version clamd
        does not tell.
        """
        self._engines[name].forget()

    def set_aside(self, verdict: Verdict, message: MessageId) -> None:
        """Take note of a message that an engine is not shown again.

        Args:
            verdict: what stands in place of the engine's own.
            message: which.
        """
        self._set_aside.add(verdict, message, has_died=verdict.died)

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know, a sentence each."""
        return self._set_aside.problems()

    def answered_since(self, name: str, began_s: float, *, size: int) -> bool:
        """Say whether an engine has read a message of about that size since then, on our clock."""
        return self._engines[name].answered_since(began_s, size=size)

    def died_alone(self, name: str, sha256: bytes) -> bool:
        """Say whether an engine died of these octets while it was shown nothing else."""
        return self._engines[name].died_alone(sha256)

    async def probe_all(self) -> Mapping[str, EngineHealth]:
        """Return for each engine whether it would answer now; raises nothing."""
        found = await asyncio.gather(*(engine.probe() for engine in self._engines.values()))
        return dict(zip(self._engines, found, strict=True))

    async def close(self) -> None:
        """Let all engines go."""
        for engine in self._engines.values():
            await engine.close()
        self._patience.close()

    async def _opened_kinds(self, size: int) -> Mapping[str, frozenset[str]]:
        """Return the kinds of archives that each engine opens."""
        return {name: await engine.opens(size) for name, engine in self._engines.items()}

    async def _asked(
        self,
        wanted: Sequence[tuple[AskedEngine, TimeBudget]],
        sample: Sample,
        known: Collection[str],
        others_done: Callable[[], None],
    ) -> dict[str, Verdict]:
        """Return the verdicts of engines that were admitted; they work at the same time.

        One is asked in the message's own task: a task for each costs more than its question.
        """
        if len(wanted) == 1:  # as of nearly all mail
            engine, budget = wanted[0]
            if engine.works_here:
                others_done()
            return {engine.name: await _asking(engine, budget, sample, known)}
        # One that works here is asked without a task.
        (mine, my_budget), *others = sorted(wanted, key=lambda one: not one[0].works_here)
        began_s = self._clock.monotonic_s()
        tasks = {
            engine: asyncio.create_task(
                _asking(engine, budget, sample, known), name=f"asking.{engine.name}"
            )
            for engine, budget in others
        }
        if mine.works_here:
            _call_after(
                {task for engine, task in tasks.items() if not engine.works_here}, others_done
            )
        try:
            verdicts = {mine.name: await _asking(mine, my_budget, sample, known)}
            await asyncio.wait(tasks.values())
        finally:
            for task in tasks.values():
                self._patience.give_up(task)
        for engine, budget in others:
            one = ended(tasks[engine])
            if isinstance(one, Exception):
                took_s = self._clock.monotonic_s() - began_s
                one = engine.failed(one, sample, budget.try_s, took_s)
            verdicts[engine.name] = one
        return verdicts


def _asking(
    engine: AskedEngine, budget: TimeBudget, sample: Sample, known: Collection[str]
) -> Coroutine[Any, Any, Verdict]:
    is_known = engine.name in known
    has_died = is_known and deaths_of(engine.name) in known
    return engine.verdict(sample, budget, is_known=is_known, has_died=has_died)


def _call_after(tasks: set[asyncio.Task[Verdict]], then: Callable[[], None]) -> None:
    """Have something called when the last of some tasks has ended, at once where there is none."""

    def has_ended(task: asyncio.Task[Verdict]) -> None:
        tasks.discard(task)
        if not tasks:
            then()

    if not tasks:
        then()
    for task in list(tasks):
        task.add_done_callback(has_ended)
