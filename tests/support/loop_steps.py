"""Was every step of the event loop short enough?

Touches asyncio's own ``Handle``, through which each step of a standard loop goes, and the kernel's
count of how long this thread stood in line for a processor (proc(5), ``schedstat``): that time is
taken off a step, so that a loaded machine makes no test fail. Of nodes that run as processes the
metric ``borderscout_loop_lag_seconds`` is read.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

LAG = "borderscout_loop_lag_seconds"
LONGEST = "borderscout_loop_lag_max_seconds"
NOISE_S = 0.001  # shorter ones are not looked at any closer


@dataclass(slots=True)
class LoopSteps:
    """What was measured so far."""

    count: int = 0
    longest_s: float = 0.0
    longest_was: str = ""  # what ran in it


@asynccontextmanager
async def loop_steps() -> AsyncIterator[LoopSteps]:
    """Measure each step of this event loop, from here to the end of the block.

    What was made before is left out of garbage collection: a step pays for what is made in it.
    """
    steps = LoopSteps()
    thread, whole, is_over = threading.get_ident(), asyncio.events.Handle._run, False
    line = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def stood_in_line_s() -> float:
        return int(os.pread(line, 100, 0).split()[1]) / 1e9

    def run(handle: asyncio.Handle) -> None:
        if threading.get_ident() != thread:
            return whole(handle)
        stood_s, began_s = stood_in_line_s(), time.monotonic()
        whole(handle)
        if is_over:  # it ended in this step
            return None
        took_s = time.monotonic() - began_s
        steps.count += 1
        if took_s > max(steps.longest_s, NOISE_S):
            took_s -= max(0.0, stood_in_line_s() - stood_s)
        if took_s > steps.longest_s:
            steps.longest_s, steps.longest_was = took_s, _what(handle)
        return None

    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.events.Handle, "_run", run)
        await asyncio.sleep(0)  # whoever asked goes on in a step that is measured
        try:
            yield steps
            await asyncio.sleep(0)
        finally:
            is_over = True
            gc.unfreeze()
            os.close(line)


@asynccontextmanager
async def no_step_over(longest_ms: float) -> AsyncIterator[LoopSteps]:
    """Fail when a step of this event loop takes longer, from here to the end of the block."""
    async with loop_steps() as steps:
        yield steps
    took_ms = steps.longest_s * 1000
    assert took_ms <= longest_ms, (
        f"a step of {took_ms:.0f} ms, not {longest_ms:g}: {steps.longest_was}"
    )


def _what(handle: asyncio.Handle) -> str:
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return repr(task if isinstance(task, asyncio.Task) else handle)


def longest_step_s(scrape: str) -> float:
    """Return the longest step of a worker's loop in the last minute, as a node's metrics tell."""
    return max(
        (
            sample.value
            for family in text_string_to_metric_families(scrape)
            if family.name == LONGEST
            for sample in family.samples
            if sample.labels["shard"] != "parent"
        ),
        default=0.0,
    )


def steps_over(scrape: str, bound_s: float) -> dict[str, int]:
    """Return how many steps a node's metrics tell of that were longer, by shard.

    Args:
        scrape: the text of ``/metrics``.
        bound_s: one of the metric's own bounds.
    """
    counts: dict[str, int] = {}
    for family in text_string_to_metric_families(scrape):
        if family.name != LAG:
            continue
        for sample in family.samples:
            if sample.name != f"{LAG}_bucket":
                continue
            shard, bound = sample.labels["shard"], float(sample.labels["le"])
            if bound == bound_s:
                counts[shard] = counts.get(shard, 0) - int(sample.value)
            elif bound == float("inf"):
                counts[shard] = counts.get(shard, 0) + int(sample.value)
    return counts
