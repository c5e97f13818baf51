"""How are a message's rows inserted, moved from state to state, and deleted?

Pure over a ``Transaction``; what is counted of them changes with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from common.ids import MessageId
from common.states import OUTCOMES, State
from satellite.spool.commits import Transaction
from satellite.spool.disk.rows import (
    INSERT_MESSAGE,
    INSERT_RECIPIENT,
    message_row,
    read_recipients,
    recipient_row,
)
from satellite.spool.model.messages import Copy, Recipient, Stored

_FORGET = (
    "DELETE FROM body WHERE message=?",
    "DELETE FROM copy WHERE message=?",
    "DELETE FROM recipient WHERE message=?",
    "DELETE FROM message WHERE id=?",
)
_SET_STATE = "UPDATE recipient SET state=? WHERE message=? AND number=?"


def insert(transaction: Transaction, stored: Stored, body: bytes | None) -> None:
    """Write a message, its recipients and a body that is no file."""
    transaction.execute(INSERT_MESSAGE, message_row(stored))
    transaction.stored_bytes += stored.size
    for recipient in stored.recipients:
        transaction.execute(INSERT_RECIPIENT, recipient_row(stored.id, recipient))
        transaction.moved(None, recipient.state)
    if body is not None:
        transaction.execute("INSERT INTO body VALUES (?,?)", (stored.id, body))


def insert_copies(transaction: Transaction, message: MessageId, copies: Sequence[Copy]) -> None:
    """Write the different copies that a message's recipients get, by their numbers."""
    for number, copy in enumerate(copies):
        transaction.execute(
            "INSERT INTO copy VALUES (?,?,?,?)", (message, number, copy.head, copy.skip)
        )


def open_recipients(transaction: Transaction, message: MessageId) -> list[Recipient]:
    """Return the recipients that have not ended, as this transaction sees them."""
    recipients = read_recipients(transaction.execute, message)
    return [recipient for recipient in recipients if recipient.state not in OUTCOMES]


def move(transaction: Transaction, message: MessageId, recipient: Recipient, after: State) -> None:
    """Bring a recipient into a state; the caller has checked the step."""
    transaction.execute(_SET_STATE, (after, message, recipient.number))
    transaction.moved(recipient.state, after)


def finish(transaction: Transaction, message: MessageId, drop_body: Callable[[], None]) -> None:
    """Forget a message that nothing needs any more; its records stay in the outbox until acked."""
    recipients = read_recipients(transaction.execute, message)
    if all(recipient.state in OUTCOMES for recipient in recipients):
        forget(transaction, message, recipients, drop_body)


def forget(
    transaction: Transaction,
    message: MessageId,
    recipients: Sequence[Recipient],
    drop_body: Callable[[], None],
) -> bool:
    """Delete a message; return False, and do nothing, when the core still has to take it."""
    found = "SELECT in_file, quarantined_us, size FROM message WHERE id=?"
    rows = transaction.execute(found, (message,))
    if rows and rows[0][1] > 0:
        return False
    transaction.stored_bytes -= rows[0][2] if rows else 0
    for recipient in recipients:
        transaction.moved(recipient.state, None)
    for statement in _FORGET:
        transaction.execute(statement, (message,))
    if rows and rows[0][0]:
        transaction.after.append(drop_body)  # after the commit; start-up finds leftovers
    return True
