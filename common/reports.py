"""What does a satellite tell the core about itself?

Pure. A report is a picture of one moment: the next one replaces it, and nothing is decided by its
time. What must not be lost is a log record instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from common.preferences import Position
from common.preferences.documents import NOTHING
from common.round_trips import RoundTrip


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
    definitions: str = ""  # their version
    definitions_us: int = 0  # when they were made, as they say; 0: they do not say


@dataclass(frozen=True, slots=True)
class FilterReport:
    """A filter that a node has.

    Args:
        name: the key of its document; empty: it goes by all documents of its kind.
        kind: as documents have it.
    """

    name: str
    kind: str


# Why a node takes no mail, where somebody goes by the reason; all others are for people alone.
DRAINING = "draining"  # an operator empties it
BEGINS_ANEW = "begins anew with other settings"  # and takes mail again by itself


def is_draining(*, accepting: bool, reason: str) -> bool:
    """Say of a node or a shard whether an operator empties it, by what it says of taking mail."""
    return not accepting and reason == DRAINING


class SettingsState(StrEnum):
    """How a node stands with the settings that the core told it to take last."""

    STEADY = "steady"  # they are in force, or it was told of none
    TRYING = "trying"  # in place, or about to be; whether the node is ready with them is not known
    REFUSED = "refused"  # they were never in place
    ROLLED_BACK = "rolled_back"  # they were, and those before are back
    OTHER = "other"  # what only a later version says


class DefinitionsState(StrEnum):
    """How far a node is with the set of definitions that it was last offered."""

    CURRENT = "current"  # in use, and the engine answers with it
    FETCHING = "fetching"
    WAITING = "waiting"  # fetched and checked: for its turn
    LOADING = "loading"
    FAILED = "failed"  # what was in use before still is
    OTHER = "other"  # what only a later version says


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsReport:
    """How far a shard's node has come with a family of definitions that the core gives.

    Args:
        family: whose they are, such as ``clamav``.
        serial: the core's number of the set in use; 0: none of the core's.
        offered: the number that was last heard of; 0: none.
        state: of the set that was offered.
        detail: why it failed, or what it waits for.
        version: of what is in use, as the engine says it.
        made_us: when what is in use was made, microseconds since the epoch; 0: unknown.
    """

    family: str
    serial: int = 0
    offered: int = 0
    state: DefinitionsState
    detail: str = ""
    version: str = ""
    made_us: int = 0


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
    holds_untold: int = 0  # destinations that are away beside these
    accepting: bool = False
    not_accepting_reason: str = ""
    oldest_us: int = 0  # age of the oldest unfinished message; 0 when there is none
    problems: tuple[str, ...] = ()  # what an operator should know, one sentence each
    # Destinations whose servers answered a short while ago: a hint to whoever holds their mail.
    reached: tuple[str, ...] = ()
    definitions: tuple[DefinitionsReport, ...] = ()  # one for each family that comes from the core
    filters: tuple[FilterReport, ...] = ()  # all that there are; none: an older version
    settings_digest: str = ""  # of the settings in force; empty: unknown
    settings_state: SettingsState | None = None  # None: an older version, or just begun
    settings_told: str = ""  # of those that it was told to take last; empty: it never was
    settings_problem: str = ""  # why those are not in force
    # Measured to customers' servers since the report before: a part of all that there is.
    round_trips: tuple[RoundTrip, ...] = ()
    time_us: int = 0  # the satellite's clock: it shows the skew and orders nothing
    applied: Position = NOTHING
    refused: PreferenceProblem | None = None
    core_refused: str = ""  # why the shard hands nothing to this core; empty: it does
    outbox_records: int = 0  # not yet acknowledged
    outbox_quarantine: int = 0

    @property
    def is_emptied(self) -> bool:
        """Whether an operator empties the shard, and it has nothing left that is nowhere else."""
        left = sum(self.spool.values()) + self.outbox_records + self.outbox_quarantine
        return not left and is_draining(accepting=self.accepting, reason=self.not_accepting_reason)
