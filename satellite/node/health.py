"""What does the parent ask each worker for /readyz, /metrics and the 421 of a node in trouble?

Pure: the questions of the parent itself, each with its answer. A worker answers them in
``satellite.console.shard_console``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from common.states import State
from satellite.link.status import LinkStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningAnswer:
    """Whether a shard takes connections."""

    listening: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningQuestion:
    """Asked every second: nothing but memory is looked at."""

    word: ClassVar = "listening"
    answer: ClassVar = ListeningAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsAnswer:
    """A shard's metrics, in Prometheus' text format."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsQuestion:
    """Asked at each scrape."""

    word: ClassVar = "metrics"
    answer: ClassVar = MetricsAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """Where a shard stands."""

    listening: bool
    not_accepting_reason: str  # empty: it takes mail once it listens
    revision: int  # of the preferences that are applied; 0: none yet
    states: Mapping[State, int]  # recipients in each state that is no outcome
    outbox_records: int  # log records that the core has not acknowledged
    outbox_quarantine: int  # quarantined messages that the core has not taken
    problems: tuple[str, ...]  # a sentence each
    link: LinkStatus | None = None  # None: the worker does not tell
    loop_lag_max_s: float = 0.0  # the longest step of its event loop within the last minute


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusQuestion:
    """Asked for ``/readyz``, and by an operator."""

    word: ClassVar = "status"
    answer: ClassVar = StatusAnswer
