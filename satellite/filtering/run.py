"""How are all filters run on a message, each within its time limit?

Touches the event loop. Filters that wait run in parallel, each within its budget; one that only
looks is called, which is cheaper than a task. One that fails, hangs or answers nonsense gets a
verdict that says so; the message goes on without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import structlog
from prometheus_client import CollectorRegistry, Counter

from common.clock import Clock
from common.tasks import outcome_of, outcome_of_call
from common.verdict import Outcome, Verdict, printable
from satellite.durations import Durations
from satellite.filtering.filter import (
    Filter,
    FilterAnswersAtOnce,
    Mail,
    NotAVerdict,
    check_verdicts,
)

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
        self._at_once = {
            each.name: each for each in filters if isinstance(each, FilterAnswersAtOnce)
        }
        self._waiting = tuple(each for each in filters if each.name not in self._at_once)
        self._clock = clock
        self._budget_s = budget_s
        self._left_behind: set[asyncio.Task[Answer]] = set()
        self._verdicts = Counter(
            "borderscout_filter_verdicts_total",
            "Verdicts of a filter by outcome",
            ["filter", "outcome"],
            registry=metrics,
        )
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
        if self._waiting:
            return None
        answers: dict[str, Answer] = {}
        times_s = [self._clock.monotonic_s()]
        for name, each in self._at_once.items():
            answer = outcome_of_call(each.examine_at_once, mail)
            if answer is None:
                return None
            answers[name] = answer
            times_s.append(self._clock.monotonic_s())
        for name, (began_s, ended_s) in zip(answers, pairwise(times_s), strict=True):
            self._took(name, ended_s - began_s)
        return self._verdicts_of(answers)

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return the verdicts of all filters, in the order of the filters."""
        answers: dict[str, Answer] = {}
        tasks: dict[str, asyncio.Task[Answer]] = {}
        for each in self._filters:
            looks = self._at_once.get(each.name)
            began_s = self._clock.monotonic_s()
            answer = outcome_of_call(looks.examine_at_once, mail) if looks is not None else None
            if answer is not None:
                self._took(each.name, self._clock.monotonic_s() - began_s)
                answers[each.name] = answer
                continue
            task = asyncio.create_task(self._heard(each, mail), name=f"filter {each.name}")
            tasks[each.name] = task
        if tasks:
            answers |= await self._answers(tasks)
        return self._verdicts_of(answers)

    def _verdicts_of(self, answers: dict[str, Answer]) -> tuple[Verdict, ...]:
        verdicts: list[Verdict] = []
        for each in self._filters:
            verdicts += self._counted(each.name, answers[each.name])
        return tuple(verdicts)

    async def _answers(self, tasks: dict[str, asyncio.Task[Answer]]) -> dict[str, Answer]:
        try:
            await asyncio.wait(tasks.values(), timeout=self._budget_s)
            return {name: _result(task) for name, task in tasks.items()}
        finally:
            for task in tasks.values():
                if not task.done():
                    self._leave(task)

    async def close(self) -> None:
        """Let all filters go, and wait for what was left behind to end."""
        for task in self._left_behind:
            task.cancel()
        await asyncio.gather(*self._left_behind, return_exceptions=True)
        for each in self._filters:
            await each.close()

    async def _heard(self, each: Filter, mail: Mail) -> Answer:
        began_s = self._clock.monotonic_s()
        answer = await outcome_of(each.examine(mail))
        self._took(each.name, self._clock.monotonic_s() - began_s)
        return answer

    def _counted(self, name: str, answer: Answer) -> tuple[Verdict, ...]:
        verdicts = self._checked(name, answer)
        for verdict in verdicts:
            key = (name, verdict.outcome)
            child = self._counts.get(key)
            if child is None:
                child = self._counts[key] = self._verdicts.labels(name, verdict.outcome.value)
            child.inc()
        return verdicts

    def _checked(self, name: str, answer: Answer) -> tuple[Verdict, ...]:
        if type(answer) is tuple and not answer:  # nothing was asked of it
            return ()
        if isinstance(answer, _NoAnswer):
            return (
                Verdict(
                    by=name,
                    outcome=Outcome.TIMEOUT,
                    ms=int(self._budget_s * 1000),
                    detail=f"no verdict within {self._budget_s:g} s",
                ),
            )
        if isinstance(answer, asyncio.CancelledError):
            return (Verdict(by=name, outcome=Outcome.ERROR, detail="it was cancelled"),)
        if isinstance(answer, BaseException):
            # A defect of the filter; mail must not stand still for it.
            log.error("filter.failed", filter=name, exc_info=answer)
            return (_failed(name, f"{type(answer).__name__}: {answer}"),)
        try:
            return check_verdicts(answer)
        except NotAVerdict as error:
            log.error("filter.no_verdict", filter=name, reason=printable(error.what))
            return (_failed(name, error.what),)

    def _leave(self, task: asyncio.Task[Answer]) -> None:
        """Cancel a filter's task without waiting: it may not even heed that."""
        self._left_behind.add(task)
        task.add_done_callback(self._forget)
        task.cancel()

    def _forget(self, task: asyncio.Task[Answer]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("filter.failed_late", task=task.get_name(), exc_info=task.exception())


def _result(task: asyncio.Task[Answer]) -> Answer:
    """Return how a filter's task ended, or that it did not."""
    if not task.done():
        return _NoAnswer()
    return asyncio.CancelledError() if task.cancelled() else task.result()


def _failed(name: str, what: str) -> Verdict:
    return Verdict(by=name, outcome=Outcome.ERROR, detail=printable(what))
