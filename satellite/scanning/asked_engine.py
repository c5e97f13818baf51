"""How is one engine asked about a message, within its time and past its guards?

Touches the event loop and the metrics. An engine that raises, returns nonsense or does not end has
a verdict that says so; its guard hears of each as soon as it is there, so that no engine has to
wait for another.

Long because all that may come of one asking, and what each of it costs the engine, is one sequence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from common.clock import Clock
from common.strangers import outcome_of_call
from common.verdict import Outcome, Verdict, printable
from satellite.guard import TRIAL_S
from satellite.scanning.absences import Absences
from satellite.scanning.deaths import DeadlyOctets
from satellite.scanning.engine import (
    Engine,
    EngineAnswersAtOnce,
    EngineHealth,
    Fitted,
    JudgesContentAlone,
    KeepsItsTime,
    OpensArchives,
    TellsVersionAtOnce,
    WorksHere,
)
from satellite.scanning.engine_guard import LEFT_ALONE, SILENT, EngineGuard, failed
from satellite.scanning.metrics import ScanMetrics
from satellite.scanning.patience import Patience, unless_cancelled
from satellite.scanning.plan import TimeBudget
from satellite.scanning.presentable import presentable, presentable_health
from satellite.scanning.sample import Sample
from satellite.scanning.set_aside import SetAside
from satellite.scanning.size_guards import SizeGuards
from satellite.scanning.turnstile import Turnstile
from satellite.scanning.verdict_cache import Told, VerdictCache, told_by

log = structlog.get_logger()

UNANSWERED = frozenset({*SILENT, Outcome.ERROR})
PAUSE_S = 1.0  # after the first try, and as much more after each that follows
DEADLY = "it died of the same octets when they came before, and is not shown them again"
NO_TRIAL = "it scans no trial, and is not shown a message again that it died of before it does"
PROBE_S = 15.0
CLOSE_S = 5.0


class AskedEngine:
    """One engine in its place.

    Args:
        fitted: the engine, with its settings.
        clock: measures how long it takes.
        metrics: of all engines.
        absences: of all engines.
        patience: waits for those that do not keep their time.
        set_aside: hears of messages that it is not shown.
        grace_s: seconds beyond its time after which it is given up.

    Attributes:
        name: in the settings.
        works_here: waiting for it is waiting for this node's own work.
    """

    def __init__(
        self,
        fitted: Fitted,
        clock: Clock,
        *,
        metrics: ScanMetrics,
        absences: Absences,
        patience: Patience,
        set_aside: SetAside,
        grace_s: float,
    ) -> None:
        engine, settings = fitted.engine, fitted.settings
        self.name = settings.name
        self.works_here = isinstance(engine, WorksHere) and engine.works_here
        self._engine: Engine = engine
        self._knows_at_once = engine if isinstance(engine, EngineAnswersAtOnce) else None
        self._tells_at_once = engine if isinstance(engine, TellsVersionAtOnce) else None
        self._is_punctual = isinstance(engine, KeepsItsTime) and engine.keeps_its_time
        self._opener = engine if isinstance(engine, OpensArchives) else None
        self._timeout_s = settings.timeout_s
        self._clock = clock
        self._metrics = metrics
        self._absences = Absences() if self.works_here else absences  # it is never away
        self._patience = patience
        self._grace_s = grace_s
        self._guards = SizeGuards(
            self.name,
            clock,
            scans=self._scans_trial,
            bytes_max=settings.bytes_max,
            works_here=self.works_here,
        )
        self._turnstile = Turnstile()
        self._deadly = DeadlyOctets()
        self._set_aside = set_aside
        self._cache = VerdictCache(
            is_shared=settings.cache
            and isinstance(engine, JudgesContentAlone)
            and engine.judges_content_alone
        )
        metrics.show_breaker(self.name, self._guards.openness)
        metrics.show_servers(self.name, engine)

    def without_asking(self, sample: Sample) -> Verdict | None:
        """Return the verdict if it need not be waited for, else None."""
        if self._knows_at_once is not None:
            said = self._said_at_once(self._knows_at_once, sample)
            if said is not None:
                return said
        if self._tells_at_once is not None:
            self._learnt(outcome_of_call(self._tells_at_once.told_now), is_only=True)
        if self._deadly.seen and self._deadly.is_deadly(
            sample.sha256, now_s=self._clock.monotonic_s()
        ):
            return self._not_shown(sample)
        return self._remembered(sample)

    def keep(self, sample: Sample, verdict: Verdict, *, asked_s: float) -> None:
        """Remember a verdict of a message that is going to wait for another engine."""
        self._cache.keep(sample, verdict, asked_s=asked_s)

    def forget(self) -> None:
        """Forget what it said so far, since it has new definitions."""
        self._deadly.clear()
        self._cache.empty(now_s=self._clock.monotonic_s())

    def admits(self, sample: Sample, *, is_known: bool) -> bool:
        """Say whether to ask; then ``verdict`` is called, once.

        Args:
            sample: the message.
            is_known: it did not answer on this very message before.
        """
        return self._guards.of(sample.size).admits(is_known=is_known)

    def left_alone(self) -> Verdict:
        """Return the verdict where it is not asked."""
        self._metrics.is_up(self.name, is_up=False)
        self._absences.heard(self.name, Outcome.UNAVAILABLE)
        return Verdict(by=self.name, outcome=Outcome.UNAVAILABLE, detail=LEFT_ALONE)

    async def verdict(
        self, sample: Sample, budget: TimeBudget, *, is_known: bool, has_died: bool = False
    ) -> Verdict:
        """Return what it says of a message, whatever it does; its guard hears of it.

        Args:
            sample: the message.
            budget: the time that it may take.
            is_known: it did not answer on this very message before.
            has_died: it died of it before: nobody else is shown to it meanwhile.
        """
        began_s = self._clock.monotonic_s()
        if has_died or (
            self._deadly.seen and self._deadly.is_suspect(sample.sha256, now_s=began_s)
        ):
            return await self._tried_alone(sample, budget)
        said = await self._tried(sample, budget.try_s, began_s, is_known=is_known)
        if budget.tries == 1 or said.outcome not in UNANSWERED:
            return said
        return await self._tried_again(said, sample, budget, began_s, is_known=is_known)

    def failed(self, failure: Exception, sample: Sample, seconds: float, took_s: float) -> Verdict:
        """Return the verdict where it gave none."""
        verdict = failed(self.name, failure, seconds)
        log.warning("engine.failed", engine=self.name, message=sample.id, detail=verdict.detail)
        return replace(verdict, ms=round(took_s * 1000))

    def answered_since(self, began_s: float, *, size: int) -> bool:
        """Say whether it has read a message of about that size since then, on our clock."""
        return self._guards.of(size).answered_since(began_s)

    def died_alone(self, sha256: bytes) -> bool:
        """Say whether it died of these octets while it was shown nothing else."""
        return self._deadly.is_deadly(sha256, now_s=self._clock.monotonic_s())

    async def opens(self, size: int) -> frozenset[str]:
        """Return the kinds of archives that it opens in mail of that size, as far as it says so."""
        if self._opener is None or self._guards.of(size).breaker.is_suspicious:
            return frozenset()  # one that is left alone opens nothing now
        said = await self._patience.within(self._opener.opens(), PROBE_S, name=f"opens.{self.name}")
        if isinstance(said, frozenset):
            return said
        log.warning("engine.failed", engine=self.name, detail=repr(said))
        return frozenset()

    async def probe(self) -> EngineHealth:
        """Return whether it would answer now; raises nothing."""
        before = self._guards.answers
        said = await self._patience.within(_probed(self._engine), PROBE_S, name="probe")
        if not isinstance(said, EngineHealth):
            said = EngineHealth(answering=False, detail=printable(f"the engine failed: {said!r}"))
        return await self._as_guarded(said, before)

    async def close(self) -> None:
        """Let the engine go."""
        said = await self._patience.within(_closed(self._engine), CLOSE_S, name="close")
        if isinstance(said, Exception):
            log.warning("engine.close_failed", engine=self.name, error=repr(said))

    async def _as_guarded(
        self, health: EngineHealth, answers_before: Sequence[int]
    ) -> EngineHealth:
        self._metrics.is_up(self.name, is_up=health.answering)
        if health.answering:  # else they are as old as they were
            self._metrics.made(self.name, health.definitions_us, self._clock)
            self._learnt(told_by(health))
        await self._guards.probed(answers=health.answering, answers_before=answers_before)
        if not health.answering:
            log.warning("engine.silent", engine=self.name, detail=health.detail)
        seen = self._guards.as_seen(health)
        self._absences.probed(self.name, answers=seen.answering)
        return seen

    async def _tried_alone(self, sample: Sample, budget: TimeBudget) -> Verdict:
        """Return what it says of a message that it died of, or died beside.

        It has to scan a trial just before, and nobody else is there meanwhile: if it dies now, the
        message did it. While it scans no trial nothing is learnt, and nothing is shown to it.
        """
        guard = self._guards.of(sample.size)
        is_asked = False
        try:
            if not await guard.scans_trial():
                return Verdict(by=self.name, outcome=Outcome.UNAVAILABLE, detail=NO_TRIAL)
            async with self._turnstile.alone() as is_alone:
                began_s = self._clock.monotonic_s()
                if self._deadly.is_deadly(sample.sha256, now_s=began_s):  # found out meanwhile
                    return self._not_shown(sample)
                is_asked = True
                said = await self._tried_inside(sample, budget.try_s, began_s, is_known=True)
                if said.died:
                    now_s = self._clock.monotonic_s()
                    self._deadly.died(sample.sha256, is_alone=is_alone(), now_s=now_s)
                return said
        finally:
            if not is_asked:
                guard.withdrew()

    def _not_shown(self, sample: Sample) -> Verdict:
        """Return the verdict of octets that it died of when it was shown them before."""
        verdict = Verdict(by=self.name, outcome=Outcome.LIMITS, detail=DEADLY)
        self._set_aside.add(verdict, sample.id, has_died=True)
        return verdict

    async def _tried_again(
        self, said: Verdict, sample: Sample, budget: TimeBudget, began_s: float, *, is_known: bool
    ) -> Verdict:
        """Return the verdict of the last try that had to be; what others said stands meanwhile."""
        until_s = began_s + budget.total_s
        for number in range(1, budget.tries):
            pause_s = number * PAUSE_S
            is_late = self._clock.monotonic_s() + pause_s >= until_s
            if is_late or said.died or self._is_to_blame(said, sample, began_s):
                break
            await self._clock.sleep(pause_s)
            if not self.admits(sample, is_known=is_known):
                break
            began_s, attempts = self._clock.monotonic_s(), said.attempt
            seconds = min(budget.try_s, until_s - began_s)
            said = await self._tried(sample, seconds, began_s, is_known=is_known)
            said = replace(said, attempt=attempts + said.attempt)
            if said.outcome not in UNANSWERED:
                break
        return said

    def _is_to_blame(self, said: Verdict, sample: Sample, began_s: float) -> bool:
        """Say whether a message itself is why there was no answer: others had one meanwhile.

        Such a message comes again later, when it holds nobody up.
        """
        is_late = said.outcome is Outcome.TIMEOUT
        return is_late and self.answered_since(began_s, size=sample.size)

    async def _tried(
        self, sample: Sample, seconds: float, began_s: float, *, is_known: bool
    ) -> Verdict:
        try:
            await self._turnstile.enter()
        except asyncio.CancelledError:  # nothing else ends the wait: the guard has admitted us
            self._guards.of(sample.size).withdrew()
            raise
        try:
            return await self._tried_inside(sample, seconds, began_s, is_known=is_known)
        finally:
            self._turnstile.leave()

    async def _tried_inside(
        self, sample: Sample, seconds: float, began_s: float, *, is_known: bool
    ) -> Verdict:
        guard = self._guards.of(sample.size)
        verdict: Verdict | None = None
        try:
            said = await self._said(sample, seconds, began_s, guard)
            await guard.ended(said.outcome, began_s=began_s)
            verdict = said
        finally:
            if verdict is None:  # cancelled
                guard.withdrew()
            else:
                guard.heard(verdict.outcome, began_s=began_s, is_known=is_known)
        self._metrics.is_up(self.name, is_up=verdict.outcome not in SILENT)
        self._absences.heard(self.name, verdict.outcome)
        now_s = self._clock.monotonic_s()
        if verdict.died:
            self._deadly.died(sample.sha256, is_alone=False, now_s=now_s)
        elif self._deadly.seen and verdict.outcome not in UNANSWERED:
            self._deadly.survived(sample.sha256)
            self._learnt(told_by(verdict))  # before the cache hears of it, and says so to nobody
        self._cache.heard(sample, verdict, asked_s=began_s, now_s=now_s)
        return verdict

    def _learnt(self, told: Told | Exception, *, is_only: bool = False) -> None:
        """Take note of what it tells of itself: another version is another engine."""
        if isinstance(told, Exception):
            log.warning("engine.failed", engine=self.name, detail=repr(told))
            self.forget()
        elif self._cache.learnt(told, now_s=self._clock.monotonic_s(), is_only=is_only):
            self._deadly.clear()

    def _remembered(self, sample: Sample) -> Verdict | None:
        now_s = self._clock.monotonic_s()
        kept = self._cache.kept(sample, now_s=now_s)
        if kept is not None:
            self._metrics.looked_up(self.name, "kept")
            return kept
        if not self._cache.is_shared:
            return None
        found = self._cache.found(sample, now_s=now_s)
        self._metrics.looked_up(self.name, "miss" if found is None else "hit")
        return found

    def _said_at_once(self, engine: EngineAnswersAtOnce, sample: Sample) -> Verdict | None:
        began_s = self._clock.monotonic_s()
        said = outcome_of_call(_said_at_once, self.name, engine, sample)
        if isinstance(said, Exception):
            log.warning("engine.failed", engine=self.name, message=sample.id, detail=repr(said))
            return None  # it is asked like the others then
        if said is not None:
            self._metrics.took(self.name, self._clock.monotonic_s() - began_s)
            self._metrics.is_up(self.name, is_up=True)
        return said

    async def _said(
        self, sample: Sample, seconds: float, began_s: float, guard: EngineGuard
    ) -> Verdict:
        asking = self._asked(sample, seconds, guard)
        said: Verdict | Exception
        try:
            if self._is_punctual:
                said = await unless_cancelled(asking)
            else:
                name = f"engine.{self.name}"
                said = await self._patience.within(asking, seconds + self._grace_s, name=name)
        finally:
            took_s = self._clock.monotonic_s() - began_s
            self._metrics.took(self.name, took_s)
        if isinstance(said, Verdict):
            return said
        return self.failed(said, sample, seconds, took_s)

    async def _asked(self, sample: Sample, seconds: float, guard: EngineGuard) -> Verdict:
        """Return its verdict as it may enter headers and records, whatever it returned.

        Raises:
            TypeError: it is no verdict, or not one that an engine may give.
            LeftAlone: it kept silent for too many meanwhile.
        """
        scanning = self._engine.scan(sample, deadline_s=seconds)
        return presentable(self.name, await guard.asked(scanning))

    async def _scans_trial(self, trial: Sample) -> bool:
        """Say whether it scans a message of ours now."""
        seconds = min(TRIAL_S, self._timeout_s)
        scanning = _scanned(self._engine, trial, seconds)
        said = await self._patience.within(scanning, seconds + self._grace_s, name="trial")
        return isinstance(said, Verdict) and said.outcome not in UNANSWERED


def _said_at_once(name: str, engine: EngineAnswersAtOnce, sample: Sample) -> Verdict | None:
    said = engine.scan_at_once(sample)
    return None if said is None else presentable(name, said)


async def _probed(engine: Engine) -> EngineHealth:
    return presentable_health(await engine.probe())


async def _scanned(engine: Engine, sample: Sample, seconds: float) -> Verdict:
    return await engine.scan(sample, deadline_s=seconds)


async def _closed(engine: Engine) -> None:
    await engine.close()
