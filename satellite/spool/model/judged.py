"""What does a judgement make of a message?

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def numbered(recipients: Sequence[Judged], *, first: int = 0) -> dict[Copy, int]:
    """Return the copies that recipients get, each once with its number, in order.

    A copy may have a quarter of a megabyte and be there a thousand times: none is compared twice.
    """
    numbers: dict[Copy, int] = {}
    for one in recipients:
        numbers.setdefault(one.copy, first + len(numbers))
    return numbers


def unjudged(stored: Stored) -> list[Recipient]:
    """Return the recipients that have no disposition yet."""
    return [recipient for recipient in stored.recipients if recipient.state in UNJUDGED]


def as_judged(stored: Stored, judgement: Judgement) -> Stored:
    """Return a message as it is once its judgement is committed."""
    copies = numbered(judgement.recipients)
    by_number = {one.number: one for one in judgement.recipients}
    recipients = tuple(
        [_as_judged(one, by_number[one.number], copies) for one in stored.recipients]
    )
    # Each field by its name, since ``dataclasses.replace`` looks at all of them, for each message.
    return Stored(
        id=stored.id,
        origin=stored.origin,
        envelope=stored.envelope,
        received_us=stored.received_us,
        age_us=stored.age_us,
        size=stored.size,
        sha256=stored.sha256,
        trace=stored.trace,
        revision=judgement.revision,
        subject=judgement.subject,
        scans=stored.scans + 1,
        recipients=recipients,
        copies=tuple(copies),
        in_file=stored.in_file,
        released_from=stored.released_from,
    )


def _as_judged(recipient: Recipient, one: Judged, copies: Mapping[Copy, int]) -> Recipient:
    return Recipient(
        number=recipient.number,
        address=recipient.address,
        state=state_of(one),
        disposition=one.disposition,
        decided=one.reason,
        reason=one.reason,
        attempts=recipient.attempts,
        reply=recipient.reply,
        copy=copies[one.copy],
        dsn=recipient.dsn,
        told_us=recipient.told_us,
        suspect=one.suspect,
    )
