"""Which states can a recipient of a message be in?

Pure: the words that spool, log records, core and commands share. What may follow what is the
spool's to say.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a recipient's copy is. The last six are outcomes."""

    RECEIVED = "received"
    WAITING = "waiting"
    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    HELD = "held"
    FROZEN = "frozen"
    DAMAGED = "damaged"
    DELIVERED = "delivered"
    QUARANTINED = "quarantined"
    DROPPED = "dropped"
    REJECTED = "rejected"
    BOUNCED = "bounced"
    EXPIRED = "expired"


# By their words: to call the class takes ten times as long.
STATES = {state.value: state for state in State}

OUTCOMES = frozenset(
    {
        State.DELIVERED,
        State.QUARANTINED,
        State.DROPPED,
        State.REJECTED,
        State.BOUNCED,
        State.EXPIRED,
    }
)
UNFINISHED = tuple(state for state in State if state not in OUTCOMES)
