"""Which log records does each step of a message's life write?

Pure over a ``Transaction``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from common.ids import MessageId
from common.records import (
    AcceptedRecord,
    DamagedRecord,
    DeferredRecord,
    DisposedRecipient,
    EndedRecipient,
    EndedRecord,
    FrozenRecord,
    HeldRecord,
    JudgedRecord,
    Moved,
    MovedRecipient,
    RejectedRecord,
    ScannedRecord,
)
from common.states import OUTCOMES, State
from satellite.spool.commits import Transaction
from satellite.spool.listeners import MailEnd
from satellite.spool.model.messages import Judgement, Recipient, Settled, Stored

_WHOSE = "SELECT sender, received_us FROM message WHERE id=?"

Whose = tuple[str, int]  # a message's sender, and when it was received

Arrived = TypeVar("Arrived", AcceptedRecord, RejectedRecord)

# What tells of a recipient that left an attempt without an outcome.
_MOVED: Mapping[State, type[Moved]] = {
    State.DEFERRED: DeferredRecord,
    State.HELD: HeldRecord,
    State.FROZEN: FrozenRecord,
    State.DAMAGED: DamagedRecord,
}


def accepted_record(stored: Stored) -> AcceptedRecord:
    """Return what tells of a message that is ours from now on."""
    return _arrived(AcceptedRecord, stored)


def rejected_record(stored: Stored) -> RejectedRecord:
    """Return what tells of a message that was offered, and is not taken."""
    return _arrived(RejectedRecord, stored)


def _arrived(record: type[Arrived], stored: Stored) -> Arrived:
    envelope = stored.envelope
    return record(
        client=envelope.client_address,
        helo=envelope.helo,
        sender=envelope.sender,
        recipients=envelope.recipients,
        size=stored.size,
        sha256=stored.sha256.hex(),
        tls=envelope.tls,
        origin=stored.origin,
        subject=stored.subject,
        released_from=stored.released_from,
    )


def record_judgement(
    transaction: Transaction,
    message: MessageId,
    judgement: Judgement,
    addresses: Mapping[int, str],
    after: Mapping[int, State],
    *,
    rejected: Stored | None = None,
) -> None:
    """Tell of a judgement: what was found, what is done, and who has ended by that.

    Args:
        transaction: what the step writes.
        message, judgement: of what.
        addresses: the recipients' by number.
        after: their states, by number.
        rejected: the message, if it is not taken, and so in no table.
    """
    scanned = ScannedRecord(
        revision=judgement.revision,
        score=judgement.score,
        subject=judgement.subject,
        message_id_header=judgement.message_id_header,
        verdicts=judgement.verdicts,
        digests=judgement.digests,
    )
    transaction.record(scanned, message)
    if judgement.condemned is not None:
        transaction.record(judgement.condemned, message)
    judged = JudgedRecord(
        recipients=tuple(
            [
                DisposedRecipient(
                    address=addresses[one.number], disposition=one.disposition, reason=one.reason
                )
                for one in judgement.recipients
            ]
        ),
        quarantine_reason=judgement.quarantine_reason,
        quarantine_detail=judgement.quarantine_detail,
    )
    transaction.record(judged, message)
    ended = [
        EndedRecipient(address=addresses[one.number], reason=one.reason, outcome=after[one.number])
        for one in judgement.recipients
        if after[one.number] in OUTCOMES
    ]
    if ended:
        whose = (rejected.envelope.sender, rejected.received_us) if rejected is not None else None
        _record_ended(transaction, message, tuple(ended), whose)


def record_results(
    transaction: Transaction,
    message: MessageId,
    results: Sequence[Settled],
    before: Mapping[int, Recipient],
    *,
    whose: Whose | None = None,
) -> None:
    """Tell how recipients left a delivery transaction, all that went the same way in one record.

    Args:
        transaction, message: what the step writes, and of what.
        results, before: how they left, and how they were, by number.
        whose: the message's, if that was read before.
    """
    groups: dict[State | None, list[tuple[Recipient, Settled]]] = {}  # None: ended, in any way
    for result in results:
        state = None if result.state in OUTCOMES else result.state
        groups.setdefault(state, []).append((before[result.number], result))
    for state, group in groups.items():
        if state is None:
            ended = tuple([_ended(*one) for one in group])
            _record_ended(transaction, message, ended, whose)
        else:
            moved = _MOVED[state](recipients=tuple([_moved(*one) for one in group]))
            transaction.record(moved, message)


def _record_ended(
    transaction: Transaction,
    message: MessageId,
    recipients: tuple[EndedRecipient, ...],
    whose: Whose | None = None,
) -> None:
    """Tell of recipients that have ended: the core by a record, and the node's own log."""
    transaction.record(EndedRecord(recipients=recipients), message)
    known = [whose] if whose is not None else transaction.execute(_WHOSE, (message,))
    for sender, received_us in known:
        ms = max(0, transaction.now_us - received_us) // 1000
        end = MailEnd(message=message, sender=sender, recipients=recipients, ms=ms)
        transaction.ends.append(end)


def why(recipient: Recipient, result: Settled) -> str:
    """Return why a recipient is where it is: what was delivered, because it was judged so."""
    return recipient.decided if result.state is State.DELIVERED else result.reason


def _ended(recipient: Recipient, result: Settled) -> EndedRecipient:
    return EndedRecipient(
        address=recipient.address,
        reason=why(recipient, result),
        reply=result.reply,
        attempts=recipient.attempts + int(result.attempted),
        outcome=result.state,
    )


def _moved(recipient: Recipient, result: Settled) -> MovedRecipient:
    return MovedRecipient(
        address=recipient.address,
        reason=why(recipient, result),
        reply=result.reply,
        attempts=recipient.attempts + int(result.attempted),
        next_us=result.next_us,
    )
