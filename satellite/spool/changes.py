"""Which rows does each step of a message's life write: received, judged, settled?

Touches the database through its ``Transaction``, and body files once that is committed. Every
change checks the table of states before it writes anything, and writes the log record of the step
in the same transaction (P2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from common.ids import MessageId
from common.records import BounceMadeRecord, Record, ReleasedRecord, WaitingRecord
from common.states import OUTCOMES, STATES, State
from common.verdict import Verdict
from satellite.spool.commits import Operation, Transaction
from satellite.spool.disk.bodies import remove_body
from satellite.spool.disk.rows import addresses, faults_row
from satellite.spool.log_records import accepted_record, record_judgement, record_results, why
from satellite.spool.model.judged import numbered, state_of
from satellite.spool.model.messages import (
    HoldMark,
    Judgement,
    NewMessage,
    PutOff,
    Recipient,
    Settled,
    Stored,
)
from satellite.spool.model.states import UNJUDGED, IllegalTransition, check_transition
from satellite.spool.writes import (
    facts_of,
    finish,
    forget,
    has_open_besides,
    has_others,
    insert,
    insert_copies,
    move,
    next_copy,
    open_recipients,
)

# How long a release is known, by the age clock. The core repeats one while our claim of it did not
# reach it, and after it was restored from a backup; no backup is that old.
RELEASE_DAYS = 120
SET_ASIDE_LENGTH_MAX = 300  # characters of why the core does not take a message
_STATES = "SELECT number, address, state FROM recipient WHERE message=?"


def accepted(stored: Stored, body: bytes | None) -> Operation:
    """A message came in: from here on, once committed, it is ours (RFC 5321 section 6.1)."""

    def write(transaction: Transaction) -> None:
        insert(transaction, stored, body)
        transaction.record(accepted_record(stored), stored.id)

    return write


def released(stored: Stored, body: bytes | None, release_id: str) -> Operation:
    """A release came in: a new message that goes straight to delivery, once for each release."""

    def write(transaction: Transaction) -> None:
        if transaction.execute("SELECT 1 FROM release WHERE id=?", (release_id,)):
            raise IllegalTransition(f"the release {release_id} was taken before")
        insert(transaction, stored, body)
        insert_copies(transaction, stored.id, stored.copies)
        transaction.write(
            "INSERT INTO release VALUES (?,?,?)", (release_id, stored.id, stored.age_us)
        )
        transaction.record(accepted_record(stored), stored.id)
        released = ReleasedRecord(release_id=release_id, released_from=stored.released_from)
        transaction.record(released, stored.id)

    return write


def waits(
    message: MessageId,
    *,
    next_us: int,
    reason: str,
    verdicts: Sequence[Verdict],
    faults: Mapping[str, int],
    subject: str = "",
    message_id_header: str = "",
) -> Operation:
    """An engine that must answer does not: the message is scanned again at its time."""

    def write(transaction: Transaction) -> None:
        recipients = open_recipients(transaction, message)
        waiting = [recipient for recipient in recipients if recipient.state in UNJUDGED]
        is_all = len(waiting) == len(recipients)
        transaction.write(
            "UPDATE message SET scans=scans+1, subject=?, faults=? WHERE id=?",
            (subject, faults_row(faults), message),
        )
        for recipient in waiting:
            _put_off(transaction, message, recipient, next_us=next_us, reason=reason)
        record = WaitingRecord(
            reason=reason,
            next_us=next_us,
            verdicts=tuple(verdicts),
            recipients=() if is_all else tuple(addresses(waiting)),
            subject=subject,
            message_id_header=message_id_header,
        )
        if waiting:
            transaction.record(record, message)

    return write


def _put_off(
    transaction: Transaction, message: MessageId, recipient: Recipient, *, next_us: int, reason: str
) -> None:
    move(transaction, message, recipient, State.WAITING)
    transaction.write(
        "UPDATE recipient SET next_us=?, reason=? WHERE message=? AND number=?",
        (next_us, reason, message, recipient.number),
    )


def judged(
    message: MessageId,
    judgement: Judgement,
    drop_body: Callable[[], None],
    *,
    put_off: PutOff | None = None,
) -> Operation:
    """Recipients get their disposition, against one preference revision.

    All that have none yet, but for those who wait for an engine: nobody waits with them.
    """
    waiting = put_off.numbers if put_off is not None else ()

    def write(transaction: Transaction) -> None:
        rows = transaction.execute(_STATES, (message,))
        before = {number: STATES[state] for number, _, state in rows if state in UNJUDGED}
        after = {one.number: state_of(one) for one in judgement.recipients}
        if before.keys() != {*waiting, *after}:
            raise IllegalTransition(f"a judgement of {message} must name each of its recipients")
        for number, state in after.items():
            check_transition(before[number], state)
        # Others of this message may have copies already.
        first = next_copy(transaction, message) if len(after) < len(rows) else 0
        places = numbered(judgement.recipients, first=first)
        insert_copies(transaction, message, tuple(places), first=first)
        for one in judgement.recipients:
            state = after[one.number]
            transaction.moved(before[one.number], state)
            transaction.write(
                "UPDATE recipient SET state=?, disposition=?, decided=?, reason=?, copy=?,"
                " suspect=?, next_us=0 WHERE message=? AND number=?",
                (
                    state,
                    one.disposition,
                    one.reason,
                    one.reason,
                    places[one.copy],
                    int(one.suspect),
                    message,
                    one.number,
                ),
            )
        transaction.write(
            "UPDATE message SET revision=?, subject=?, scans=scans+1 WHERE id=?",
            (judgement.revision, judgement.subject, message),
        )
        if State.QUARANTINED in after.values():
            transaction.write(
                "UPDATE message SET quarantined_us=?, quarantine_reason=?, quarantine_detail=?"
                " WHERE id=?",
                (
                    transaction.now_us,
                    judgement.quarantine_reason,
                    judgement.quarantine_detail,
                    message,
                ),
            )
        names = {number: address for number, address, _ in rows}
        record_judgement(transaction, message, judgement, names, after)
        if put_off is not None:
            _put_off_some(transaction, message, put_off)
        if OUTCOMES.issuperset(after.values()):
            finish(transaction, message, drop_body)

    return write


def _put_off_some(transaction: Transaction, message: MessageId, put_off: PutOff) -> None:
    faults = faults_row(put_off.faults)
    transaction.write("UPDATE message SET faults=? WHERE id=?", (faults, message))
    recipients = open_recipients(transaction, message, put_off.numbers)
    for recipient in recipients:
        _put_off(transaction, message, recipient, next_us=put_off.next_us, reason=put_off.reason)
    waiting = WaitingRecord(
        reason=put_off.reason, next_us=put_off.next_us, recipients=tuple(addresses(recipients))
    )
    transaction.record(waiting, message)


def marked_sending(message: MessageId, numbers: Sequence[int]) -> Operation:
    """The sending mark: recovery will count these as possibly delivered."""

    def write(transaction: Transaction) -> None:
        recipients = open_recipients(transaction, message, numbers)
        if len(recipients) != len(numbers):
            # Whoever ended meanwhile was told so, by a DSN perhaps: no dot may leave for it.
            raise IllegalTransition(f"recipients of {message} have ended meanwhile")
        for recipient in recipients:
            check_transition(recipient.state, State.SENDING)
        for recipient in recipients:
            move(transaction, message, recipient, State.SENDING)

    return write


def settled(
    message: MessageId,
    results: Sequence[Settled],
    *,
    records: Sequence[Record],
    bounces: Sequence[tuple[Stored, NewMessage]],
    drop_body: Callable[[], None],
) -> Operation:
    """A delivery transaction ended: outcomes, or states to try again from; and its DSNs."""

    def write(transaction: Transaction) -> None:
        numbers = [result.number for result in results]
        before = {r.number: r for r in open_recipients(transaction, message, numbers)}
        for result in results:
            if result.number not in before:
                raise IllegalTransition(f"recipient {result.number} of {message} has ended before")
            check_transition(before[result.number].state, result.state)
        for record in records:
            transaction.record(record, message)
        facts = facts_of(transaction, message)
        whose = (facts.sender, facts.received_us) if facts is not None else None
        record_results(transaction, message, results, before, whose=whose)
        for bounce in bounces:
            _insert_bounce(transaction, message, *bounce)
        is_last = OUTCOMES.issuperset([result.state for result in results])
        is_alone = facts is not None and not facts.has_several  # as nearly all are
        is_all = is_last and (is_alone or not has_others(transaction, message, numbers))
        if is_last and not is_all:
            is_last = not has_open_besides(transaction, message, numbers)
        known = before.values() if is_all else ()
        # When nothing of the message stays, what would be written would be deleted at once.
        if not is_last or not forget(
            transaction, message, drop_body, recipients=known, facts=facts
        ):
            for result in results:
                _write_result(transaction, message, before[result.number], result)

    return write


def _write_result(
    transaction: Transaction, message: MessageId, recipient: Recipient, result: Settled
) -> None:
    transaction.moved(recipient.state, result.state)
    transaction.write(
        "UPDATE recipient SET state=?, reason=?, reply=?, next_us=?, attempts=attempts+?,"
        " told_us=max(told_us, ?) WHERE message=? AND number=?",
        (
            result.state,
            why(recipient, result),
            result.reply,
            result.next_us,
            int(result.attempted),
            transaction.now_us if result.told else 0,
            message,
            result.number,
        ),
    )


def releases_forgotten(age_us: int) -> Operation:
    """Forget releases that were taken so long ago that nobody repeats them."""

    def write(transaction: Transaction) -> None:
        oldest_us = age_us - RELEASE_DAYS * 86_400 * 1_000_000
        transaction.write("DELETE FROM release WHERE taken_us<?", (oldest_us,))

    return write


def upload_taken(message: MessageId, drop_body: Callable[[], None]) -> Operation:
    """The core has the quarantined message durably and its SHA-256 agrees: our copy may go."""

    def write(transaction: Transaction) -> None:
        transaction.write(
            "UPDATE message SET quarantined_us=0, set_aside='' WHERE id=?", (message,)
        )
        finish(transaction, message, drop_body)

    return write


def upload_set_aside(message: MessageId, reason: str) -> Operation:
    """The core does not take this quarantined message: it stays here, and is offered no more."""

    def write(transaction: Transaction) -> None:
        transaction.write(
            "UPDATE message SET set_aside=? WHERE id=? AND quarantined_us>0",
            (reason[:SET_ASIDE_LENGTH_MAX] or "no reason was given", message),
        )

    return write


def uploads_offered_again() -> Operation:
    """Offer what was set aside once more: this program, or the core's, may be another by now."""

    def write(transaction: Transaction) -> None:
        transaction.write("UPDATE message SET set_aside='' WHERE set_aside>''", ())

    return write


def away(mark: HoldMark) -> Operation:
    """A destination's server is away: since when and why outlives a restart."""

    def write(transaction: Transaction) -> None:
        transaction.write(
            "REPLACE INTO hold VALUES (?,?,?)", (mark.destination, mark.since_us, mark.reason)
        )

    return write


def back(destination: str) -> Operation:
    """A destination's server is back."""

    def write(transaction: Transaction) -> None:
        transaction.write("DELETE FROM hold WHERE destination=?", (destination,))

    return write


def _insert_bounce(
    transaction: Transaction, message: MessageId, stored: Stored, new: NewMessage
) -> None:
    insert(transaction, stored, new.body)
    insert_copies(transaction, stored.id, stored.copies)
    transaction.record(accepted_record(stored), stored.id)
    made = BounceMadeRecord(bounce_id=stored.id, sender=stored.envelope.recipients[0])
    transaction.record(made, message)


def body_dropper(folder: Path, message: MessageId) -> Callable[[], None]:
    """Return what deletes a message's body file, if it has one."""
    return lambda: remove_body(folder / message)
