"""What does a judgement make of a message?

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from common.states import State
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Recipient, Stored


def state_of(one: Judged) -> State:
    """Return the state that a judgement brings a recipient to."""
    match one.disposition:
        case Disposition.DELIVER:
            return State.SENDING if one.sending else State.QUEUED
        case Disposition.DROP:
            return State.DROPPED
        case Disposition.QUARANTINE | Disposition.REJECT:
            return State.QUARANTINED  # a rejection exists only before 250; after it, quarantine


def distinct(copies: Iterable[Copy]) -> list[Copy]:
    """Return each copy once, in the order in which they are numbered."""
    found: list[Copy] = []
    for copy in copies:
        if copy not in found:
            found.append(copy)
    return found


def as_judged(stored: Stored, judgement: Judgement) -> Stored:
    """Return a message as it is once its judgement is committed."""
    copies = distinct(one.copy for one in judgement.recipients)
    by_number = {one.number: one for one in judgement.recipients}
    recipients = tuple(
        _as_judged(recipient, by_number[recipient.number], copies)
        for recipient in stored.recipients
    )
    return replace(
        stored,
        revision=judgement.revision,
        subject=judgement.subject,
        scans=stored.scans + 1,
        recipients=recipients,
        copies=tuple(copies),
    )


def _as_judged(recipient: Recipient, one: Judged, copies: Sequence[Copy]) -> Recipient:
    return replace(
        recipient,
        state=state_of(one),
        disposition=one.disposition,
        decided=one.reason,
        reason=one.reason,
        copy=copies.index(one.copy),
        next_us=0,
        suspect=one.suspect,
    )
