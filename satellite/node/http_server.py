"""What do /metrics and /readyz of a node say?

Touches one port, through the health pages. ``/metrics`` are the workers' metrics, told apart by
their shard, and the parent's own; ``/readyz`` is 200 when all shards listen and take mail, and the
parent turns nobody away, whether or not the core is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeVar

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

from common.loop_lag import LoopLag
from satellite.node.health import MetricsAnswer, MetricsQuestion, StatusQuestion
from satellite.node.health_pages import ANSWER_S, HealthPages
from satellite.node.parent import Workers
from satellite.node.question import ErrorAnswer, Question
from satellite.node.readiness import why_not_listening
from satellite.node.service_unavailable import ServiceUnavailable

PARENT = "parent"  # in the place of a shard's number

AnswerT = TypeVar("AnswerT")


class HttpServer:
    """The node's HTTP face, served from threads beside the parent's event loop.

    Args:
        workers: who is asked.
        endpoint: where it listens.
        loop: in which the workers may be asked.
        loop_lag: of that loop.
        service_unavailable: turns senders away, or does not.
    """

    def __init__(
        self,
        workers: Workers,
        endpoint: str,
        loop: asyncio.AbstractEventLoop,
        *,
        loop_lag: LoopLag,
        service_unavailable: ServiceUnavailable,
    ) -> None:
        self._workers = workers
        self._service_unavailable = service_unavailable
        self._loop = loop
        self._loop_lag = loop_lag
        self._pages = HealthPages(endpoint, metrics=self._metrics, why_not_ready=self._why_not)

    @property
    def is_served(self) -> bool:
        """Whether whoever asks is answered."""
        return self._pages.is_served

    def start(self) -> None:
        self._pages.start()

    def stop(self) -> None:
        self._pages.stop()

    def _why_not(self) -> list[str]:
        lines = [f"shard {shard}: {why}" for shard, why in self._not_listening().items()]
        return [*lines, *["the parent answers 421"] * self._turns_away()]

    def _ask(self, question: Question[AnswerT]) -> Mapping[int, AnswerT | ErrorAnswer | None]:
        asked = asyncio.run_coroutine_threadsafe(self._workers.ask_each(question), self._loop)
        try:
            return asked.result(ANSWER_S)
        except FutureTimeout:
            return {worker.shard: None for worker in self._workers.all}

    def _turns_away(self) -> bool:
        """Say whether senders hear 421; asked after the workers, so that it is as new as they."""
        asked = asyncio.run_coroutine_threadsafe(self._service_unavailable.look(), self._loop)
        try:
            return asked.result(ANSWER_S)
        except FutureTimeout:
            return True

    def _not_listening(self) -> dict[int, str]:
        retiring = {worker.shard for worker in self._workers.all if worker.retiring}
        return why_not_listening(self._ask(StatusQuestion()), retiring=retiring)

    def _metrics(self) -> bytes:
        registry = CollectorRegistry()
        texts = {
            shard: answer.text
            for shard, answer in self._ask(MetricsQuestion()).items()
            if isinstance(answer, MetricsAnswer)
        }
        workers = self._workers.all
        registry.register(
            ShardMetrics(
                texts,
                starts={worker.shard: worker.starts for worker in workers},
                failures={worker.shard: worker.failures for worker in workers},
                own=self._loop_lag.collect(),
            )
        )
        return generate_latest(registry)


class ShardMetrics(Collector):
    """The workers' metrics, each sample with its shard as a label, and the parent's own."""

    def __init__(
        self,
        texts: Mapping[int, str],
        *,
        starts: Mapping[int, int],
        failures: Mapping[int, int],
        own: Iterable[Metric] = (),
    ) -> None:
        self._texts = texts
        self._starts = starts
        self._failures = failures
        self._own = own

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for shard, text in self._texts.items():
            _merge(families, text_string_to_metric_families(text), shard=str(shard))
        _merge(families, self._own, shard=PARENT)
        return [
            *families.values(),
            _counter(
                "borderscout_worker_starts",
                "Starts of the worker's process, also by a reload",
                self._starts,
            ),
            _counter(
                "borderscout_worker_failures",
                "Ends of the worker's process that nobody asked for, and starts that failed",
                self._failures,
            ),
        ]


def _counter(name: str, what: str, counts: Mapping[int, int]) -> Metric:
    """Return a counter of the parent's for each shard."""
    made = Metric(name, what, "counter")
    for shard, count in counts.items():
        made.add_sample(f"{name}_total", {"shard": str(shard)}, count)
    return made


def _merge(into: dict[str, Metric], found: Iterable[Metric], *, shard: str) -> None:
    for family in found:
        merged = into.setdefault(
            family.name, Metric(family.name, family.documentation, family.type)
        )
        for sample in family.samples:
            merged.add_sample(sample.name, {**sample.labels, "shard": shard}, sample.value)
