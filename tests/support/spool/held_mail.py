"""How does a test get a spool with a hundred thousand held messages in a few seconds?

Touches a spool, through its own transactions and row functions: what is written is what intake,
judgement and a failed delivery would have left, a thousand messages to a commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial

from common.clock import Clock
from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Envelope
from common.ids import MessageId, ulid
from common.states import State
from satellite.spool.commits import Transaction
from satellite.spool.disk.rows import INSERT_MESSAGE, INSERT_RECIPIENT, message_row, recipient_row
from satellite.spool.model.messages import Copy, Origin, Recipient, Stored
from satellite.spool.store import Spool

PER_COMMIT = 1000
HEAD = b"X-B: 1\r\n"
REASON = "connection refused"


def body(number: int) -> bytes:
    """Return the body of the message with a number; all have one length."""
    return b"Subject: held %09d\r\n\r\nhello\r\n" % number


def number_of(copy: bytes) -> int:
    """Return the number of the message that was delivered; -1: another one."""
    start = HEAD + b"Subject: held "
    return int(copy[len(start) : len(start) + 9]) if copy.startswith(start) else -1


async def fill(
    spool: Spool,
    clock: Clock,
    *to: str,
    count: int,
    state: State = State.HELD,
    sender: str = "a@sender.example",
    dsn: DsnParameters = NO_DSN_PARAMETERS,
    first: int = 0,
) -> list[MessageId]:
    """Put messages into a spool, accepted now; return their ids, the oldest first.

    Args:
        spool: an open one.
        clock: its clock.
        to: the recipients of each.
        count: how many.
        state: of each of them.
        sender: the envelope's.
        dsn: what the sender wants to be told.
        first: number of the first message, so that two calls make different ids.
    """
    ids: list[MessageId] = []
    for start in range(0, count, PER_COMMIT):
        numbers = range(first + start, first + min(start + PER_COMMIT, count))
        made = list(_messages(numbers, spool, clock, to, state=state, sender=sender, dsn=dsn))
        await spool._commits.add(partial(_write, messages=made))
        ids += [stored.id for _, stored in made]
    return ids


def _messages(
    numbers: range,
    spool: Spool,
    clock: Clock,
    to: tuple[str, ...],
    *,
    state: State,
    sender: str,
    dsn: DsnParameters,
) -> Iterator[tuple[int, Stored]]:
    recipients = tuple(
        Recipient(
            number=number,
            address=address,
            state=state,
            disposition="deliver",
            decided="clean",
            reason=REASON if state is State.HELD else "clean",
            copy=0,
            dsn=dsn,
        )
        for number, address in enumerate(to)
    )
    envelope = Envelope(client_address="192.0.2.7", helo="h", sender=sender, recipients=to)
    for number in numbers:
        stored = Stored(
            id=MessageId(ulid(now_us=clock.now_us(), randomness=number.to_bytes(10, "big"))),
            origin=Origin.SMTP,
            envelope=envelope,
            received_us=clock.now_us(),
            age_us=spool.age_us(),
            size=len(body(number)),
            sha256=hashlib.sha256(body(number)).digest(),
            trace=b"",
            revision=1,
            subject="held",
            scans=1,
            recipients=recipients,
            copies=(Copy(head=HEAD),),
            in_file=False,
        )
        yield number, stored


def _write(transaction: Transaction, messages: list[tuple[int, Stored]]) -> None:
    for number, stored in messages:
        transaction.execute(INSERT_MESSAGE, message_row(stored))
        for recipient in stored.recipients:
            transaction.execute(INSERT_RECIPIENT, recipient_row(stored, recipient))
            transaction.moved(None, recipient.state)
        transaction.execute("INSERT INTO copy VALUES (?,0,?,0)", (stored.id, HEAD))
        transaction.execute("INSERT INTO body VALUES (?,?)", (stored.id, body(number)))
