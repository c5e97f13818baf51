"""What is the lowest, the largest and the worst of what a node's shards say?

Pure. What one of them does not know, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.preferences import Position
from common.reports import EngineReport, NodeReport


def later(known: Position | None, told: Position) -> Position:
    """Return where a shard is: what it has applied never goes back, but two streams may cross."""
    if known is None:
        return told
    return max(known, told, key=lambda position: (position.epoch.generation, position.revision))


def lowest(positions: Iterable[Position | None]) -> Position | None:
    """Return the earliest position; None: of some shard it is not known."""
    found = list(positions)
    if any(position is None for position in found):
        return None
    known = (position for position in found if position is not None)
    return min(known, key=lambda p: (p.epoch.generation, p.revision), default=None)


def largest(lags: Iterable[int | None]) -> int | None:
    """Return the largest lag; None: of some shard it is not known."""
    largest = 0
    for lag in lags:
        if lag is None:
            return None
        largest = max(largest, lag)
    return largest


def merged_engines(reports: Iterable[NodeReport]) -> tuple[EngineReport, ...]:
    """Return each engine once; a shard that gets no answer speaks for the node."""
    found: dict[str, EngineReport] = {}
    for report in reports:
        for engine in report.engines:
            known = found.get(engine.name)
            if known is None or (known.answering and not engine.answering):
                found[engine.name] = engine
    return tuple(found.values())
