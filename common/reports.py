"""What does a satellite tell the core about itself?

Pure. A report is a picture of one moment: the next one replaces it, and nothing is decided by its
time. What must not be lost is a log record instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.preferences import Position
from common.preferences.documents import NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceProblem:
    """The last refusal of preferences; kind and key are empty when no document is to blame."""

    revision: int
    kind: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """One engine as this shard sees it."""

    name: str
    answering: bool
    version: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldReport:
    """A customer's server that is away."""

    customer: str
    destination: str
    since_us: int
    reason: str
    messages: int
    bytes: int
    oldest_us: int
    expires_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """One shard's state. The link fills in what it knows itself: the fields after ``problems``."""

    spool: Mapping[str, int] = field(default_factory=dict)  # recipients by state
    engines: tuple[EngineReport, ...] = ()
    holds: tuple[HoldReport, ...] = ()
    accepting: bool = False
    not_accepting_reason: str = ""
    oldest_us: int = 0  # age of the oldest unfinished message; 0 when there is none
    problems: tuple[str, ...] = ()  # what an operator should know, one sentence each
    # Destinations whose servers answered a short while ago: a hint to whoever holds their mail.
    reached: tuple[str, ...] = ()
    time_us: int = 0  # the satellite's clock: it shows the skew and orders nothing
    applied: Position = NOTHING
    refused: PreferenceProblem | None = None
    outbox_records: int = 0  # not yet acknowledged
    outbox_quarantine: int = 0
