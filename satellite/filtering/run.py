"""How are all filters run on a message, each within its time limit?

Touches the event loop. Filters that wait run in parallel, each within its budget; one that only
looks is called, which is cheaper than a task; one of which nothing is asked is not even called.
One that fails, hangs or answers nonsense gets a verdict that says so; the message goes on without
it. One that hung several times in a row, and on a trial after each, is left alone for a minute.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from secrets import token_hex

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from common.clock import Clock
from common.preferences import Preferences
from common.strangers import outcome_of, outcome_of_call
from common.tasks import keep_running
from common.verdict import Outcome, Verdict, printable
from satellite.breaker import Breaker
from satellite.durations import Durations
from satellite.filtering.asked_filters import AskedFilters
from satellite.filtering.filter import (
    Filter,
    FilterKeepsWatch,
    FilterTellsProblems,
    Mail,
    NotAVerdict,
    check_verdicts,
)
from satellite.filtering.trial import has_worked, trial_mail
from satellite.guard import TRIAL_S, Guard, LeftAlone

log = structlog.get_logger()

BUDGET_S = 10.0  # of one filter for one message: above each filter's own, which should end first
_BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 5.0, 10.0)


class _NoAnswer(TimeoutError):
    """A filter did not end within its budget."""


Answer = tuple[Verdict, ...] | BaseException


class Filters:
    """All filters of a worker.

    Args:
        filters: as ``build_filters`` returned them.
        clock: for the time taken.
        metrics: where the counters are registered.
        budget_s: seconds that one filter has for one message.
    """

    def __init__(
        self,
        filters: Sequence[Filter],
        *,
        clock: Clock,
        metrics: CollectorRegistry,
        budget_s: float = BUDGET_S,
    ) -> None:
        self._filters = tuple(filters)
        self._by_name = {each.name: each for each in filters}
        self._asked: AskedFilters | None = None  # under the revision that was asked about last
        self._watching = tuple(each for each in filters if isinstance(each, FilterKeepsWatch))
        self._telling = tuple(each for each in filters if isinstance(each, FilterTellsProblems))
        self._clock = clock
        self._budget_s = budget_s
        self._guards = {each.name: Guard(each.name, clock) for each in filters}
        self._left_behind: set[asyncio.Task[Answer]] = set()
        self._verdicts = Counter(
            "borderscout_filter_verdicts_total",
            "Verdicts of a filter by outcome",
            ["filter", "outcome"],
            registry=metrics,
        )
        is_open = Gauge(
            "borderscout_filter_breaker_open",
            "1 while the filter is left alone since it hung for several messages in a row, else 0",
            ["filter"],
            registry=metrics,
        )
        for name, guard in self._guards.items():
            is_open.labels(name).set_function(partial(_openness, guard.breaker))
        self._took = Durations(
            "borderscout_filter_seconds",
            "Time that a filter took for one message",
            label="filter",
            bounds_s=_BUCKETS,
            registry=metrics,
        ).took
        # Looking a label up costs more than counting: each is looked up once.
        self._counts: dict[tuple[str, Outcome], Counter] = {}

    def at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return the verdicts of all filters, or None: one of them has to wait for something."""
        asked = self._asked_under(mail.preferences)
        if asked.waiting:
            return None
        answers: dict[str, Answer] = {**asked.of_all}
        times_s = [self._clock.monotonic_s()]
        for name, each in asked.at_once.items():
            answer = outcome_of_call(each.examine_at_once, mail)
            if answer is None:
                return None
            answers[name] = answer
            times_s.append(self._clock.monotonic_s())
        for name, (began_s, ended_s) in zip(asked.at_once, pairwise(times_s), strict=True):
            self._took(name, ended_s - began_s)
        return self._verdicts_of(asked, answers)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return the verdicts of all filters, in the order of the filters."""
        asked = self._asked_under(mail.preferences)
        answers: dict[str, Answer] = {**asked.of_all}
        tasks: dict[str, asyncio.Task[Answer]] = {}
        for each in self._filters:
            if each.name in answers:
                continue
            looks = asked.at_once.get(each.name)
            began_s = self._clock.monotonic_s()
            answer = outcome_of_call(looks.examine_at_once, mail) if looks is not None else None
            if answer is not None:
                self._took(each.name, self._clock.monotonic_s() - began_s)
                answers[each.name] = answer
                continue
            if not self._guards[each.name].admits():
                answers[each.name] = LeftAlone()
                continue
            task = asyncio.create_task(self._heard(each.name, mail), name=f"filter {each.name}")
            tasks[each.name] = task
        if tasks:
            answers |= await self._answers(tasks, mail)
        return self._verdicts_of(asked, answers)

    def _asked_under(self, preferences: Preferences) -> AskedFilters:
        if self._asked is None or self._asked.preferences is not preferences:
            self._asked = AskedFilters(self._filters, preferences)
        return self._asked

    def _verdicts_of(self, asked: AskedFilters, answers: dict[str, Answer]) -> tuple[Verdict, ...]:
        verdicts: list[Verdict] = []
        for name in asked.speaking:
            answer = answers[name]
            if answer == ():  # nothing was asked of it
                continue
            said = asked.of_all[name] if name in asked.of_all else self._checked(name, answer)
            self._count(name, said)
            verdicts += said
        return tuple(verdicts)

    async def _answers(
        self, tasks: dict[str, asyncio.Task[Answer]], mail: Mail
    ) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        began_s = self._clock.monotonic_s()
        try:
            await asyncio.wait(tasks.values(), timeout=self._budget_s)
            said = {name: self._result(task) for name, task in tasks.items()}
            silent = [name for name, answer in said.items() if _is_silence(answer)]
            trials = (
                self._guards[name].tried(partial(self._passes_trial, name, mail), began_s=began_s)
                for name in silent
            )
            await asyncio.gather(*trials)
            answers = said
            return answers
        finally:
            for name, task in tasks.items():
                self._heard_of(name, answers.get(name), began_s)
                self._leave(task)

    def _heard_of(self, name: str, answer: Answer | None, began_s: float) -> None:
        """Take note of whether a filter answered; None: it is not waited for any more."""
        guard = self._guards[name]
        if answer is None or isinstance(answer, LeftAlone):
            guard.withdrew()
        elif not _is_silence(answer):
            guard.answered(is_good=has_worked(answer))
        elif guard.was_silent(began_s=began_s):
            log.warning("filter.left_alone", filter=name, waiting=guard.waiting)

    async def _passes_trial(self, name: str, like: Mail) -> bool:
        """Say whether a filter examines a small message of ours now."""
        examining = outcome_of(self._examined(name, trial_mail(like, token_hex(16))))
        task = asyncio.create_task(examining, name=f"filter {name}")
        try:
            await asyncio.wait([task], timeout=min(TRIAL_S, self._budget_s))
            return has_worked(self._result(task))
        finally:
            self._leave(task)

    async def _examined(self, name: str, mail: Mail) -> tuple[Verdict, ...]:
        return await self._by_name[name].examine(mail)

    async def watch(self, preferences: Callable[[], Preferences]) -> None:
        """Let filters look after what they look after by themselves, until cancelled.

        Args:
            preferences: gives those in force.
        """
        async with asyncio.TaskGroup() as group:
            for each in self._watching:
                work, name = partial(each.watch, preferences), f"watch of {each.name}"
                group.create_task(keep_running(work, name=name, clock=self._clock), name=name)

    def problems(self) -> tuple[str, ...]:
        """Return what an operator should know of the filters now, a sentence each."""
        return tuple(problem for each in self._telling for problem in each.problems())

    async def close(self) -> None:
        """Let all filters go, and wait for what was left behind to end."""
        for task in self._left_behind:
            task.cancel()
        await asyncio.gather(*self._left_behind, return_exceptions=True)
        for each in self._filters:
            await each.close()

    async def _heard(self, name: str, mail: Mail) -> Answer:
        began_s = self._clock.monotonic_s()
        answer = await outcome_of(self._guards[name].asked(self._examined(name, mail)))
        self._took(name, self._clock.monotonic_s() - began_s)
        return answer

    def _count(self, name: str, verdicts: tuple[Verdict, ...]) -> None:
        for verdict in verdicts:
            key = (name, verdict.outcome)
            child = self._counts.get(key)
            if child is None:
                child = self._counts[key] = self._verdicts.labels(name, verdict.outcome.value)
            child.inc()

    def _checked(self, name: str, answer: Answer) -> tuple[Verdict, ...]:
        if isinstance(answer, BaseException):
            return (self._without_answer(name, answer),)
        try:
            return check_verdicts(answer)
        except NotAVerdict as error:
            log.error("filter.no_verdict", filter=name, reason=printable(error.what))
            return (_failed(name, error.what),)

    def _without_answer(self, name: str, failure: BaseException) -> Verdict:
        if isinstance(failure, _NoAnswer):
            return Verdict(
                by=name,
                outcome=Outcome.TIMEOUT,
                ms=int(self._budget_s * 1000),
                detail=f"no verdict within {self._budget_s:g} s",
            )
        if isinstance(failure, LeftAlone):
            detail = "left alone, since it hung for the last messages"
            return Verdict(by=name, outcome=Outcome.UNAVAILABLE, detail=detail)
        if isinstance(failure, asyncio.CancelledError):
            return Verdict(by=name, outcome=Outcome.ERROR, detail="it was cancelled")
        # A defect of the filter; mail must not stand still for it.
        log.error("filter.failed", filter=name, exc_info=failure)
        return _failed(name, f"{type(failure).__name__}: {failure}")

    def _result(self, task: asyncio.Task[Answer]) -> Answer:
        """Return how a filter's task ended, or that it did not and was left behind."""
        if not task.done():
            self._leave(task)
            return _NoAnswer()
        return asyncio.CancelledError() if task.cancelled() else task.result()

    def _leave(self, task: asyncio.Task[Answer]) -> None:
        """Cancel a filter's task without waiting, unless it has ended: it may not heed that."""
        if task.done() or task in self._left_behind:
            return
        self._left_behind.add(task)
        task.add_done_callback(self._forget)
        task.cancel()

    def _forget(self, task: asyncio.Task[Answer]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("filter.failed_late", task=task.get_name(), exc_info=task.exception())


def _is_silence(answer: Answer) -> bool:
    """Say whether a filter hung; one of many lists that is silent is for the filter to leave."""
    if isinstance(answer, tuple):
        return [each.outcome for each in answer if isinstance(each, Verdict)] == [Outcome.TIMEOUT]
    return isinstance(answer, TimeoutError)


def _openness(breaker: Breaker) -> float:
    return float(breaker.is_open)


def _failed(name: str, what: str) -> Verdict:
    return Verdict(by=name, outcome=Outcome.ERROR, detail=printable(what))
