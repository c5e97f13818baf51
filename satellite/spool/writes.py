"""How are a message's rows inserted, moved from state to state, and deleted?

Pure over a ``Transaction``; what is counted of them changes with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from common.ids import MessageId
from common.states import OUTCOMES, State
from satellite.spool.commits import Transaction
from satellite.spool.disk.rows import (
    INSERT_MESSAGE,
    INSERT_RECIPIENT,
    message_row,
    of_numbers,
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
_FACTS = (
    "SELECT sender, received_us, size, in_file, quarantined_us,"
    " EXISTS (SELECT 1 FROM recipient WHERE message=?1 LIMIT 1 OFFSET 1) FROM message WHERE id=?1"
)
_COUNTS = "SELECT state, count(*) FROM recipient WHERE message=? GROUP BY state"
_OPEN = f"state NOT IN ({', '.join(repr(str(state)) for state in sorted(OUTCOMES))})"
_SET_STATE = "UPDATE recipient SET state=? WHERE message=? AND number=?"


class MessageFacts(NamedTuple):
    """What is asked of a message as it ends."""

    sender: str
    received_us: int
    size: int
    in_file: int
    quarantined_us: int  # 0: the core has nothing of it to take
    has_several: int  # recipients, ended ones among them


def facts_of(transaction: Transaction, message: MessageId) -> MessageFacts | None:
    """Return what a message's row says now; None when it has gone."""
    for row in transaction.execute(_FACTS, (message,)):
        return MessageFacts(*row)
    return None


def insert(transaction: Transaction, stored: Stored, body: bytes | None) -> None:
    """Write a message, its recipients and a body that is no file."""
    transaction.write(INSERT_MESSAGE, message_row(stored))
    transaction.stored_bytes += stored.size
    for recipient in stored.recipients:
        transaction.write(INSERT_RECIPIENT, recipient_row(stored, recipient))
        transaction.moved(None, recipient.state)
    if body is not None:
        transaction.write("INSERT INTO body VALUES (?,?)", (stored.id, body))


def insert_copies(
    transaction: Transaction, message: MessageId, copies: Sequence[Copy], *, first: int = 0
) -> None:
    """Write the different copies that a message's recipients get, by their numbers.

    Args:
        transaction, message: where and whose.
        copies: in their order.
        first: the number of the first; one that nobody gets any more makes room.
    """
    for number, copy in enumerate(copies, start=first):
        transaction.write(
            "REPLACE INTO copy VALUES (?,?,?,?)", (message, number, copy.head, copy.skip)
        )


def next_copy(transaction: Transaction, message: MessageId) -> int:
    """Return the number of the next copy of a message that has some."""
    sql = "SELECT coalesce(max(number), -1) + 1 FROM copy WHERE message=?"
    return int(transaction.execute(sql, (message,))[0][0])


def open_recipients(
    transaction: Transaction, message: MessageId, numbers: Collection[int] | None = None
) -> list[Recipient]:
    """Return the recipients that have not ended, of these numbers or of all."""
    recipients = read_recipients(transaction.execute, message, numbers)
    return [recipient for recipient in recipients if recipient.state not in OUTCOMES]


def has_open_besides(
    transaction: Transaction, message: MessageId, numbers: Collection[int]
) -> bool:
    """Say whether a recipient that is none of these has not ended."""
    which, values = of_numbers(numbers)
    sql = f"SELECT 1 FROM recipient WHERE message=? AND NOT (1{which}) AND {_OPEN} LIMIT 1"  # noqa: S608
    return bool(transaction.execute(sql, (message, *values)))


def move(transaction: Transaction, message: MessageId, recipient: Recipient, after: State) -> None:
    """Bring a recipient into a state; the caller has checked the step."""
    transaction.write(_SET_STATE, (after, message, recipient.number))
    transaction.moved(recipient.state, after)


def finish(transaction: Transaction, message: MessageId, drop_body: Callable[[], None]) -> None:
    """Forget a message that nothing needs any more; its records stay in the outbox until acked."""
    if not has_open_besides(transaction, message, ()):
        forget(transaction, message, drop_body)


def has_others(transaction: Transaction, message: MessageId, numbers: Collection[int]) -> bool:
    """Say whether there is a recipient that is none of these: most mail has one."""
    which, values = of_numbers(numbers)
    sql = f"SELECT 1 FROM recipient WHERE message=? AND NOT (1{which}) LIMIT 1"  # noqa: S608
    return bool(transaction.execute(sql, (message, *values)))


def forget(
    transaction: Transaction,
    message: MessageId,
    drop_body: Callable[[], None],
    *,
    recipients: Collection[Recipient] = (),
    facts: MessageFacts | None = None,
) -> bool:
    """Delete a message; return False, and do nothing, when the core still has to take it.

    Args:
        transaction, message: where and which.
        drop_body: removes its body's file.
        recipients: all of them, if they are known; else they are counted.
        facts: of the message as it is now, if they are known.
    """
    facts = facts or facts_of(transaction, message)
    if facts is not None and facts.quarantined_us > 0:
        return False
    transaction.stored_bytes -= facts.size if facts is not None else 0
    if recipients:
        for recipient in recipients:
            transaction.moved(recipient.state, None)
    else:
        for state, count in transaction.execute(_COUNTS, (message,)):
            transaction.moves[State(state)] -= count
    for statement in _FORGET:
        transaction.write(statement, (message,))
    if facts is not None and facts.in_file:
        transaction.after.append(drop_body)  # after the commit; start-up finds leftovers
    return True
