"""Which events does this version write?

Pure. The names are a promise to whoever reads records; a reader keeps and shows others as they
came. What each says stands in ``of_messages`` and ``of_nodes``.
"""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """The name of an event, as it travels."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SCANNED = "scanned"
    CONDEMNED = "condemned"
    WAITING = "waiting"
    JUDGED = "judged"
    ATTEMPTED = "attempted"
    DEFERRED = "deferred"
    HELD = "held"
    FROZEN = "frozen"
    RESUMED = "resumed"
    POSSIBLY_DELIVERED = "possibly_delivered"
    ENDED = "ended"
    BOUNCE_MADE = "bounce_made"
    BOUNCE_WITHHELD = "bounce_withheld"
    RELEASED = "released"
    DAMAGED = "damaged"
    SPOOL_DAMAGED = "spool_damaged"
    STARTED = "started"
    STOPPED = "stopped"
    PREFERENCES_APPLIED = "preferences_applied"
    PREFERENCES_REFUSED = "preferences_refused"
    PREFERENCES_DAMAGED = "preferences_damaged"
    NOT_ACCEPTING = "not_accepting"
    ACCEPTING = "accepting"
    TLS_RESULTS = "tls_results"
    GAP = "gap"
    REFUSED = "refused"
