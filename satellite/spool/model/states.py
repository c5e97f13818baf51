"""What may follow each state of a recipient, and what does recovery do with it?

Pure. This table is the design of the spool: the store refuses every transition that does not stand
here, start-up reads its recovery column, and ``docs/spool.md`` is drawn from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from common.errors import LocalError
from common.frozen import dataclass
from common.records import Event
from common.states import OUTCOMES, State


class Recovery(StrEnum):
    """What start-up does with a recipient that it finds in a state."""

    SCAN = "scan it"
    SCAN_WHEN_DUE = "scan it when its time comes"
    DELIVER = "deliver it"
    DELIVER_WHEN_DUE = "deliver it when its time comes"
    COUNT_AS_POSSIBLE = "record it as possibly delivered, then defer it"
    LEAVE = "leave it to an operator"
    NOTHING = "nothing: it has ended"


@dataclass(frozen=True, slots=True)
class StateRow:
    """One state: its meaning, what may follow, what recovery does, and which record tells of it.

    ``record`` is None for the sending mark alone: what became of it is in the records of the
    attempt, or in recovery's ``possibly_delivered``.
    """

    meaning: str
    after: frozenset[State]
    recovery: Recovery
    record: Event | None


_S = State
_ENDED = StateRow("", frozenset(), Recovery.NOTHING, Event.ENDED)

_DISPOSED = frozenset({_S.QUEUED, _S.SENDING, _S.QUARANTINED, _S.DROPPED})
_NOT_DELIVERED = frozenset({_S.DEFERRED, _S.HELD, _S.BOUNCED, _S.EXPIRED, _S.FROZEN, _S.DAMAGED})

TABLE: Mapping[State, StateRow] = {
    _S.RECEIVED: StateRow(
        "message and envelope are durable; answered 250",
        _DISPOSED | {_S.WAITING, _S.DAMAGED},
        Recovery.SCAN,
        Event.ACCEPTED,
    ),
    _S.WAITING: StateRow(
        "an engine that must answer does not, or its zero hour goes on",
        _DISPOSED | {_S.WAITING, _S.DAMAGED},
        Recovery.SCAN_WHEN_DUE,
        Event.WAITING,
    ),
    _S.QUEUED: StateRow(
        "judged deliver; not tried yet",
        _NOT_DELIVERED | {_S.SENDING},
        Recovery.DELIVER,
        Event.JUDGED,
    ),
    _S.SENDING: StateRow(
        "the sending mark: the final dot may leave at any moment",
        _NOT_DELIVERED | {_S.DELIVERED},  # and from nowhere else: no dot leaves unmarked
        Recovery.COUNT_AS_POSSIBLE,
        None,
    ),
    _S.DEFERRED: StateRow(
        "tried; to be tried again at its time",
        _NOT_DELIVERED | {_S.SENDING},
        Recovery.DELIVER_WHEN_DUE,
        Event.DEFERRED,
    ),
    _S.HELD: StateRow(
        "the customer's server is away",
        _NOT_DELIVERED | {_S.SENDING},
        Recovery.DELIVER_WHEN_DUE,
        Event.HELD,
    ),
    _S.FROZEN: StateRow(
        "stopped by an operator",
        frozenset({_S.DEFERRED, _S.DAMAGED, _S.BOUNCED, _S.EXPIRED}),
        Recovery.LEAVE,
        Event.FROZEN,
    ),
    _S.DAMAGED: StateRow(
        "its body cannot be read",
        frozenset({_S.WAITING, _S.DEFERRED, _S.DROPPED, _S.BOUNCED}),
        Recovery.LEAVE,
        Event.DAMAGED,
    ),
    _S.DELIVERED: _ENDED,
    _S.QUARANTINED: _ENDED,
    _S.DROPPED: _ENDED,
    _S.REJECTED: _ENDED,
    _S.BOUNCED: _ENDED,
    _S.EXPIRED: _ENDED,
}

# Where a recipient may be for long; in the two others somebody works on it now.
LYING = frozenset(TABLE) - OUTCOMES - {State.RECEIVED, State.SENDING}

UNJUDGED = frozenset({State.RECEIVED, State.WAITING})  # what judging has to do with
FREEZABLE = frozenset({State.QUEUED, State.DEFERRED, State.HELD})  # what an operator can stop
# What goes on, or ends, only when an operator says so.
STOPPED = frozenset(state for state, row in TABLE.items() if row.recovery is Recovery.LEAVE)


class IllegalTransition(LocalError):
    """Somebody asked for a step that the table does not have."""


def check_transition(before: State, after: State) -> None:
    """Accept a step of the table.

    Raises:
        IllegalTransition: it is none; nothing may be written.
    """
    if after not in TABLE[before].after:
        raise IllegalTransition(f"a recipient cannot go from {before} to {after}")
