"""How does a row become a message, and a message a row?

Pure over a function that runs one SELECT. Nobody else reads the tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Envelope, Notify, Return
from common.ids import MessageId
from common.states import STATES
from satellite.spool.model.messages import Copy, Origin, PendingRow, Recipient, Stored

Select = Callable[[str, tuple[Any, ...]], list[tuple[Any, ...]]]

_MESSAGE = (
    "SELECT origin, received_us, age_us, client_address, helo, sender, smtputf8, eight_bit, tls,"
    " size, sha256, trace, in_file, revision, subject, scans, released_from, returned, envelope_id"
    " FROM message WHERE id=?"
)
_RECIPIENTS = (
    "SELECT number, address, state, disposition, decided, reason, attempts, next_us, reply, copy,"
    " notify, original, told_us, suspect FROM recipient WHERE message=?"
)
_THIS_ONE, _THESE = " AND number=?", " AND number IN (SELECT value FROM json_each(?))"
_IN_ORDER = " ORDER BY number"
_COPIES = "SELECT number, head, skip FROM copy WHERE message=? ORDER BY number"
_COPY = "SELECT number, head, skip FROM copy WHERE message=? AND number=?"
_PENDING = (
    "SELECT r.message, m.origin, m.size, m.age_us, r.number, r.address, r.state, r.next_us,"
    " r.told_us=0 AND m.sender<>'' AND (r.notify='' OR instr(r.notify, 'DELAY')>0)"
    " FROM recipient r JOIN message m ON m.id=r.message"
    " WHERE r.message>? AND r.state IN ('queued','sending','deferred','held')"
    " ORDER BY r.message, r.number LIMIT ?"
)
INSERT_MESSAGE = (
    "INSERT INTO message (id, origin, received_us, age_us, client_address, helo, sender, smtputf8,"
    " eight_bit, tls, size, sha256, trace, in_file, subject, released_from, returned, envelope_id)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
INSERT_RECIPIENT = (
    "INSERT INTO recipient (message, number, address, state, disposition, decided, reason, copy,"
    " notify, original, size, received_us, age_us, suspect)"
    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


NO_FAULTS: Mapping[str, int] = {}


def faults_row(faults: Mapping[str, int]) -> str:
    """Return which engines could not finish a message, and how often, as its row holds it."""
    return json.dumps(dict(faults)) if faults else ""


def faults_of(row: str) -> Mapping[str, int]:
    """Return what ``faults_row`` was given; nothing where it cannot be read any more."""
    try:
        said = json.loads(row) if row else {}
    except ValueError:
        return NO_FAULTS
    if not isinstance(said, dict):
        return NO_FAULTS
    return {name: count for name, count in said.items() if isinstance(count, int)}


def rows_at_once(
    select: Select, columns: str, sql: str, values: tuple[Any, ...]
) -> list[list[Any]]:
    """Return rows of texts and numbers, in order, by one step of SQLite.

    In a thread each row waits for its turn of Python: while the event loop is busy a fifth of a
    millisecond, and a page of five hundred a tenth of a second.

    Args:
        select: runs a SELECT.
        columns: their names, with commas between.
        sql: a SELECT of these.
        values: its values.
    """
    one = f"SELECT json_group_array(json_array({columns})) FROM ({sql})"  # noqa: S608 - ours
    rows: list[list[Any]] = json.loads(select(one, values)[0][0])
    return sorted(rows)


def read_message(select: Select, message: MessageId) -> Stored | None:
    """Return one message with its recipients and copies, or None."""
    rows = select(_MESSAGE, (message,))
    if not rows:
        return None
    return _with_copies(
        message, rows[0], read_recipients(select, message), select(_COPIES, (message,))
    )


def read_part(select: Select, message: MessageId, numbers: Collection[int]) -> Stored | None:
    """Return one message with some of its recipients, and the copies that these get, or None.

    What a message with a thousand destinations costs must not grow by the square.
    """
    rows = select(_MESSAGE, (message,))
    if not rows:
        return None
    found = read_recipients(select, message, numbers)
    wanted = sorted({recipient.copy for recipient in found if recipient.copy >= 0})
    copies = [row for number in wanted for row in select(_COPY, (message, number))]
    return _with_copies(message, rows[0], found, copies)


def _with_copies(
    message: MessageId,
    row: tuple[Any, ...],
    recipients: tuple[Recipient, ...],
    rows: Sequence[tuple[int, bytes, int]],
) -> Stored:
    """Return a message whose recipients name their copies by place: numbers may have holes."""
    places = {number: place for place, (number, _, _) in enumerate(rows)}
    if any(number != place for number, place in places.items()):
        recipients = tuple(replace(one, copy=places.get(one.copy, -1)) for one in recipients)
    copies = tuple(Copy(head=head, skip=skip) for _, head, skip in rows)
    return _stored(message, row, recipients, copies)


def read_pending(select: Select, *, after: str, limit: int) -> list[PendingRow]:
    """Return recipients that are to be delivered to, those of one message together.

    Args:
        after: the id of the last message that was read; empty: from the beginning.
        limit: rows, more than any message has recipients.
    """
    rows = [PendingRow(*row) for row in select(_PENDING, (after, limit))]
    if len(rows) < limit:
        return rows
    last = rows[-1].message  # it may go on behind the limit
    while rows and rows[-1].message == last:
        rows.pop()
    return rows


def read_recipients(
    select: Select, message: MessageId, numbers: Collection[int] | None = None
) -> tuple[Recipient, ...]:
    """Return the recipients of one message, those of some numbers or all, by number."""
    which, values = ("", ()) if numbers is None else of_numbers(numbers)
    rows = select(_RECIPIENTS + which + _IN_ORDER, (message, *values))
    return tuple([_recipient(row) for row in rows])


def of_numbers(numbers: Collection[int]) -> tuple[str, tuple[int | str, ...]]:
    """Return the end of a WHERE that names recipients by number, and its values."""
    if len(numbers) == 1:  # most mail
        return _THIS_ONE, tuple(numbers)
    return _THESE, (json.dumps(list(numbers)),)


def _recipient(row: tuple[Any, ...]) -> Recipient:
    number, address, state, disposition, decided, reason, attempts, next_us, reply, copy = row[:10]
    notify, original, told_us, suspect = row[10:]
    return Recipient(
        number=number,
        address=address,
        state=STATES[state],
        disposition=disposition,
        decided=decided,
        reason=reason,
        attempts=attempts,
        next_us=next_us,
        reply=reply,
        copy=copy,
        dsn=_dsn(notify, original),
        told_us=told_us,
        suspect=bool(suspect),
    )


def _dsn(notify: str, original: str) -> DsnParameters:
    if not notify and not original:
        return NO_DSN_PARAMETERS
    return DsnParameters(
        notify=frozenset(Notify(word) for word in notify.split(",") if word), original=original
    )


def _stored(
    message: MessageId,
    row: tuple[Any, ...],
    recipients: tuple[Recipient, ...],
    copies: tuple[Copy, ...],
) -> Stored:
    (origin, received_us, age_us, client, helo, sender, smtputf8, eight_bit, tls) = row[:9]
    (size, sha256, trace, in_file, revision, subject, scans, released_from) = row[9:17]
    returned, envelope_id = row[17:]
    dsn_parameters = tuple(recipient.dsn for recipient in recipients)
    envelope = Envelope(
        client_address=client,
        helo=helo,
        sender=sender,
        recipients=tuple(recipient.address for recipient in recipients),
        smtputf8=bool(smtputf8),
        eight_bit=bool(eight_bit),
        tls=tls,
        dsn_parameters=dsn_parameters
        if any(dsn is not NO_DSN_PARAMETERS for dsn in dsn_parameters)
        else (),
        returned=Return(returned) if returned else None,
        envelope_id=envelope_id,
    )
    return Stored(
        id=message,
        origin=Origin(origin),
        envelope=envelope,
        received_us=received_us,
        age_us=age_us,
        size=size,
        sha256=sha256,
        trace=trace,
        revision=revision,
        subject=subject,
        scans=scans,
        recipients=recipients,
        copies=copies,
        in_file=bool(in_file),
        released_from=released_from,
    )


def message_row(stored: Stored) -> tuple[Any, ...]:
    """Return the values of ``INSERT_MESSAGE``."""
    envelope = stored.envelope
    return (
        stored.id,
        stored.origin,
        stored.received_us,
        stored.age_us,
        envelope.client_address,
        envelope.helo,
        envelope.sender,
        int(envelope.smtputf8),
        int(envelope.eight_bit),
        envelope.tls,
        stored.size,
        stored.sha256,
        stored.trace,
        int(stored.in_file),
        stored.subject,
        stored.released_from,
        envelope.returned or "",
        envelope.envelope_id,
    )


def recipient_row(stored: Stored, recipient: Recipient) -> tuple[Any, ...]:
    """Return the values of ``INSERT_RECIPIENT``."""
    return (
        stored.id,
        recipient.number,
        recipient.address,
        recipient.state,
        recipient.disposition,
        recipient.decided,
        recipient.reason,
        recipient.copy,
        ",".join(sorted(recipient.dsn.notify)),
        recipient.dsn.original,
        stored.size,
        stored.received_us,
        stored.age_us,
        int(recipient.suspect),
    )


def addresses(recipients: Iterable[Recipient]) -> list[str]:
    """Return the recipients' addresses."""
    return [recipient.address for recipient in recipients]
