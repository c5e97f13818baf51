"""Which metrics does a node have, and which the core?

Touches a temporary folder, in which a shard's spool is made: the metrics are those that a shard
registers when it is built as a worker builds it, so that none can be forgotten.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from common.clock import SystemClock
from common.loop_lag import LoopLag
from common.settings.satellite import SatelliteSettings
from core.web.metrics import CoreMetrics
from satellite.app.shard import Shard
from satellite.node.http_server import ShardMetrics
from satellite.spool.store import Spool

PAGE = "metrics.md"

HEAD = """# Metrics

Prometheus' text format, at `/metrics`: of a node where its settings say (`metrics`), of the core at
its `url`, without a token. Names and labels are promises. No address, domain or text of a stranger
is ever a label; labels are our own words, names from the settings, and numbers.

A [scanning server](scan-server.md#running-it) has those of engines, filters and the front end, and
some of its own.

This page is drawn from the registries of both programs by `make docs`.
"""
NODE = """## A node

Each sample bears the label `shard` beside its own: a node's parent gathers what its workers count.
`shard="parent"` is the parent's own event loop.
Counters begin at 0 when a worker starts.
"""
CORE = """## The core

What is not known of a node has no sample; it is never 0 for want of an answer.
"""
TABLE = "| metric | type | labels | unit | meaning |\n| --- | --- | --- | --- | --- |"

UNITS = {"seconds": "s", "bytes": "octets", "revision": "revision", "revisions": "revisions"}
CLAIM = "1 while "  # how the meaning of a gauge that is 0 or 1 begins

_SETTINGS = {
    "cluster": "example",
    "node": "lon1",
    "site": "london",
    "hostname": "mx1.scout.example",
    "mail_domain": "mx.scout.example",
    "metrics": "127.0.0.1:9",
    "core": {"address": "127.0.0.1:9", "certificate": "c", "key": "k", "authority": "a"},
    "smtp": {"listen": ["127.0.0.1:25"]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One metric, as a scrape names it."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def unit(self) -> str:
        """What its number is: the last word of its name tells, or else it counts."""
        if self.meaning.startswith(CLAIM):
            return "0 or 1"
        return UNITS.get(self.name.removesuffix("_total").rpartition("_")[2], "count")


def text() -> str:
    """Return the page."""
    return "\n".join([HEAD, NODE, *_table(of_a_node()), CORE, *_table(of_the_core())])


def of_a_node() -> list[Described]:
    """Return what a node shows: its shards' metrics, and its parent's."""
    return asyncio.run(_of_a_node())


def of_the_core() -> list[Described]:
    """Return what the core shows."""
    registry = CollectorRegistry()
    CoreMetrics(registry)
    return _described(registry)


async def _of_a_node() -> list[Described]:
    with tempfile.TemporaryDirectory() as folder:
        spool = await Spool.open(Path(folder), node="lon1", shard=0, clock=SystemClock())
        try:
            shard = Shard(
                spool,
                SatelliteSettings.model_validate(_SETTINGS),
                sockets=[],
                on_broken=lambda: None,
                on_renewal=lambda: None,
                loop_lag=LoopLag(SystemClock()),
            )
            shard.registry.register(ShardMetrics({}, starts={}, failures={}))
            found = _described(shard.registry)
            await shard.close()
        finally:
            await spool.close()
    return found


def _described(registry: CollectorRegistry) -> list[Described]:
    return sorted(
        (
            Described(
                name=family.name + ("_total" if family.type == "counter" else ""),
                type=family.type,
                labels=_labels(collector, family),
                meaning=family.documentation.removesuffix("."),
            )
            for collector in tuple(registry._collector_to_names)
            for family in collector.collect()
        ),
        key=lambda one: one.name,
    )


def _labels(collector: Collector, family: Metric) -> tuple[str, ...]:
    """Return the names of the labels, which the library shows openly in samples alone."""
    holder = family if hasattr(family, "_labelnames") else collector
    return tuple(getattr(holder, "_labelnames", ()))


def _table(metrics: list[Described]) -> Iterator[str]:
    yield TABLE
    for one in metrics:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        yield f"| `{one.name}` | {one.type} | {labels} | {one.unit} | {one.meaning} |"
    yield ""
