"""What does a judgement make of a message?

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from common.states import State
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Recipient, Stored
from satellite.spool.model.states import UNJUDGED


def state_of(one: Judged) -> State:
    """Return the state that a judgement brings a recipient to."""
    match one.disposition:
        case Disposition.DELIVER:
            return State.SENDING if one.sending else State.QUEUED
        case Disposition.DROP:
            return State.DROPPED
        case Disposition.QUARANTINE | Disposition.REJECT:
            return State.QUARANTINED  # a rejection exists only before 250; after it, quarantine


def numbered(copies: Iterable[Copy]) -> dict[Copy, int]:
    """Return each copy once with its number, in order.

    A copy may have a quarter of a megabyte and be there a thousand times: none is compared twice.
    """
    return {copy: number for number, copy in enumerate(dict.fromkeys(copies))}


def unjudged(stored: Stored) -> list[Recipient]:
    """Return the recipients that have no disposition yet."""
    return [recipient for recipient in stored.recipients if recipient.state in UNJUDGED]


def as_judged(stored: Stored, judgement: Judgement) -> Stored:
    """Return a message as it is once its judgement is committed."""
    copies = numbered(one.copy for one in judgement.recipients)
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


def _as_judged(recipient: Recipient, one: Judged, copies: Mapping[Copy, int]) -> Recipient:
    return replace(
        recipient,
        state=state_of(one),
        disposition=one.disposition,
        decided=one.reason,
        reason=one.reason,
        copy=copies[one.copy],
        next_us=0,
        suspect=one.suspect,
    )
