"""Which rows and records do freezing, resuming, dropping, bouncing and damage write?

Pure over a ``Transaction``: each step checks the table of states, and writes its record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from common.ids import MessageId
from common.records import (
    DamagedRecord,
    FrozenRecord,
    Moved,
    MovedRecipient,
    PossiblyDeliveredRecord,
    Record,
    ResumedRecord,
    SpoolDamagedRecord,
    WaitingRecord,
)
from common.states import State
from satellite.spool.changes import settled
from satellite.spool.commits import Operation, Transaction
from satellite.spool.disk.rows import addresses
from satellite.spool.log_records import record_results
from satellite.spool.model.messages import NewMessage, Recipient, Settled, Stored
from satellite.spool.model.states import (
    FREEZABLE,
    STOPPED,
    TABLE,
    IllegalTransition,
    check_transition,
)
from satellite.spool.model.zero_hour import ENDED, is_kept
from satellite.spool.writes import finish, move, open_recipients

_DAMAGEABLE = frozenset(state for state, row in TABLE.items() if State.DAMAGED in row.after)
_RESUMED = "resumed by an operator"
_DROPPED = "dropped by an operator"


def damaged(message: MessageId, reason: str) -> Operation:
    """A message's body cannot be read."""

    def write(transaction: Transaction) -> None:
        recipients = _in(transaction, message, _DAMAGEABLE)
        _all_moved(
            transaction,
            message,
            recipients,
            after=State.DAMAGED,
            reason=reason,
            record=DamagedRecord,
        )

    return write


def frozen(
    message: MessageId,
    reason: str,
    numbers: Collection[int] | None = None,
    unsent: Collection[int] = (),
) -> Operation:
    """An operator stops a message, or some of its recipients; see ``Interventions.freeze``."""

    def write(transaction: Transaction) -> None:
        recipients = _in(transaction, message, FREEZABLE, numbers)
        recipients += _in(transaction, message, {State.SENDING}, unsent)
        _all_moved(
            transaction,
            message,
            recipients,
            after=State.FROZEN,
            reason=reason,
            record=FrozenRecord,
        )

    return write


def resumed(message: MessageId, numbers: Collection[int] | None = None) -> Operation:
    """An operator lets a message go on: to delivery, or to scanning if it was never judged.

    What waits is scanned again now; a zero hour is over by that.
    """

    def write(transaction: Transaction) -> None:
        stopped = _in(transaction, message, STOPPED | {State.WAITING}, numbers)
        judged = [recipient for recipient in stopped if recipient.copy >= 0]
        kept = [recipient for recipient in stopped if is_kept(recipient)]
        fresh = [one for one in stopped if one.copy < 0 and not is_kept(one)]
        _all_moved(
            transaction,
            message,
            judged,
            after=State.DEFERRED,
            reason=_RESUMED,
            record=ResumedRecord,
        )
        for some, reason in ((fresh, _RESUMED), (kept, ENDED)):
            _move_all(transaction, message, some, after=State.WAITING, reason=reason)
            if some:
                waiting = WaitingRecord(recipients=tuple(addresses(some)), reason=reason)
                transaction.record(waiting, message)

    return write


def dropped(message: MessageId, drop_body: Callable[[], None]) -> Operation:
    """An operator gives a damaged message up; nothing else may be dropped."""

    def write(transaction: Transaction) -> None:
        before = {r.number: r for r in _in(transaction, message, {State.DAMAGED})}
        if not before:
            raise IllegalTransition(f"{message} is not damaged, and only what is may be dropped")
        results = [
            Settled(number=number, state=State.DROPPED, reason=_DROPPED, attempted=False)
            for number in before
        ]
        for recipient in before.values():
            check_transition(recipient.state, State.DROPPED)
        for recipient in before.values():
            move(transaction, message, recipient, State.DROPPED)
        record_results(transaction, message, results, before)
        finish(transaction, message, drop_body)

    return write


def bounced(
    message: MessageId,
    numbers: Collection[int],
    reason: str,
    *,
    records: Sequence[Record],
    bounces: Sequence[tuple[Stored, NewMessage]],
    drop_body: Callable[[], None],
) -> Operation:
    """An operator sends what is frozen or damaged of a message back to its sender."""
    results = [
        Settled(number=number, state=State.BOUNCED, reason=reason, attempted=False)
        for number in numbers
    ]
    settle = settled(message, results, records=records, bounces=bounces, drop_body=drop_body)

    def write(transaction: Transaction) -> None:
        # The DSN was made from what was read before. Who was let go since may be on the way to the
        # customer, and must not go back to the sender as well.
        stopped = {recipient.number for recipient in _in(transaction, message, STOPPED)}
        if not stopped.issuperset(numbers):
            raise IllegalTransition(f"{message} has gone on or ended meanwhile; nothing was done")
        settle(transaction)

    return write


def possibly_delivered(message: MessageId) -> Operation:
    """Recovery found the sending mark: the 250 may have come and not been committed."""

    def write(transaction: Transaction) -> None:
        recipients = [r for r in open_recipients(transaction, message) if r.state is State.SENDING]
        if not recipients:
            return
        for recipient in recipients:
            move(transaction, message, recipient, State.DEFERRED)
            transaction.write(
                "UPDATE recipient SET next_us=0 WHERE message=? AND number=?",
                (message, recipient.number),
            )
        possible = PossiblyDeliveredRecord(recipients=tuple(addresses(recipients)))
        transaction.record(possible, message)

    return write


def unknown_files(names: Sequence[str]) -> Operation:
    """A start found things in the body folder that are not ours, and moved them aside."""

    def write(transaction: Transaction) -> None:
        transaction.record(
            SpoolDamagedRecord(reason="unknown files were moved aside", files=tuple(names))
        )

    return write


def _in(
    transaction: Transaction,
    message: MessageId,
    states: Collection[State],
    numbers: Collection[int] | None = None,
) -> list[Recipient]:
    """Return the recipients that are in some states, of these numbers or of all."""
    return [
        recipient
        for recipient in open_recipients(transaction, message)
        if recipient.state in states and (numbers is None or recipient.number in numbers)
    ]


def _all_moved(
    transaction: Transaction,
    message: MessageId,
    recipients: Sequence[Recipient],
    *,
    after: State,
    reason: str,
    record: type[Moved],
) -> None:
    """Move recipients and tell of it, if there are any."""
    _move_all(transaction, message, recipients, after=after, reason=reason)
    if recipients:
        bare = tuple(MovedRecipient(address=one.address) for one in recipients)
        transaction.record(record(recipients=bare, reason=reason), message)


def _move_all(
    transaction: Transaction,
    message: MessageId,
    recipients: Sequence[Recipient],
    *,
    after: State,
    reason: str,
) -> None:
    for recipient in recipients:
        check_transition(recipient.state, after)
    for recipient in recipients:
        move(transaction, message, recipient, after)
        transaction.write(
            "UPDATE recipient SET reason=?, next_us=0 WHERE message=? AND number=?",
            (reason, message, recipient.number),
        )
