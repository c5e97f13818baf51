"""What do all filters together say of a message?

Touches the event loop. Filters run in parallel, each within its budget. One that fails, hangs or
answers nonsense gets a verdict that says so; the message goes on without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from common.clock import Clock
from common.verdict import Outcome, Verdict, printable
from satellite.filtering.filter import Filter, Mail, NotAVerdict, check_verdicts

log = structlog.get_logger()

BUDGET_S = 10.0  # of one filter for one message: above each filter's own, which should end first
_BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 5.0, 10.0)


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
        self._clock = clock
        self._budget_s = budget_s
        self._left_behind: set[asyncio.Task[tuple[Verdict, ...]]] = set()
        self._verdicts = Counter(
            "borderscout_filter_verdicts_total",
            "Verdicts of filters",
            ["filter", "outcome"],
            registry=metrics,
        )
        self._seconds = Histogram(
            "borderscout_filter_seconds",
            "Time that a filter took for one message",
            ["filter"],
            buckets=_BUCKETS,
            registry=metrics,
        )

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return the verdicts of all filters, in the order of the filters."""
        if not self._filters:
            return ()
        tasks = [
            asyncio.create_task(self._timed(each, mail), name=f"filter {each.name}")
            for each in self._filters
        ]
        try:
            await asyncio.wait(tasks, timeout=self._budget_s)
        finally:
            for task in tasks:
                if not task.done():
                    self._leave(task)
        verdicts: list[Verdict] = []
        for each, task in zip(self._filters, tasks, strict=True):
            for verdict in self._outcome(each.name, task):
                self._verdicts.labels(each.name, verdict.outcome.value).inc()
                verdicts.append(verdict)
        return tuple(verdicts)

    async def close(self) -> None:
        """Let all filters go, and wait for what was left behind to end."""
        for task in self._left_behind:
            task.cancel()
        await asyncio.gather(*self._left_behind, return_exceptions=True)
        for each in self._filters:
            await each.close()

    async def _timed(self, each: Filter, mail: Mail) -> tuple[Verdict, ...]:
        began_s = self._clock.monotonic_s()
        verdicts = await each.examine(mail)
        self._seconds.labels(each.name).observe(self._clock.monotonic_s() - began_s)
        return verdicts

    def _outcome(self, name: str, task: asyncio.Task[tuple[Verdict, ...]]) -> tuple[Verdict, ...]:
        if not task.done() or task in self._left_behind:
            return (
                Verdict(
                    by=name,
                    outcome=Outcome.TIMEOUT,
                    ms=int(self._budget_s * 1000),
                    detail=f"no verdict within {self._budget_s:g} s",
                ),
            )
        if task.cancelled():
            return (Verdict(by=name, outcome=Outcome.ERROR, detail="it was cancelled"),)
        failure = task.exception()
        if failure is not None:
            # A defect of the filter; mail must not stand still for it.
            log.error("filter.failed", filter=name, exc_info=failure)
            return (_failed(name, f"{type(failure).__name__}: {failure}"),)
        try:
            return check_verdicts(task.result())
        except NotAVerdict as error:
            log.error("filter.no_verdict", filter=name, reason=printable(error.what))
            return (_failed(name, error.what),)

    def _leave(self, task: asyncio.Task[tuple[Verdict, ...]]) -> None:
        """Cancel a filter's task without waiting: it may not even heed that."""
        self._left_behind.add(task)
        task.add_done_callback(self._forget)
        task.cancel()

    def _forget(self, task: asyncio.Task[tuple[Verdict, ...]]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("filter.failed_late", task=task.get_name(), exc_info=task.exception())


def _failed(name: str, what: str) -> Verdict:
    return Verdict(by=name, outcome=Outcome.ERROR, detail=printable(what))
