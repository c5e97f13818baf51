"""Which log records and quarantined messages does the core not have yet?

Touches the spool's tables. Records leave in the order of their sequence; a quarantined message
leaves with its body. Both stay until the core says that it has them durably (P7, P8).
"""

from __future__ import annotations

from collections.abc import Sequence

from common.chain import ChainPoint
from common.ids import MessageId
from common.records import Event, FieldsUnreadable, GapRecord, LogRecord, read, written
from common.states import State
from satellite.spool.commits import ROW_BYTES, Operation, Transaction
from satellite.spool.disk.rows import Select, read_message
from satellite.spool.life import written_chain
from satellite.spool.model.messages import Copy, Upload, UploadsSetAside

DROPPED_AT_ONCE = 2_000  # records in one commit: 5 ms of the event loop
OUTBOX_IS_FULL = "the core did not take them, and the outbox was full"
_OCTETS = f"SELECT total(length(fields) + {ROW_BYTES}) FROM outbox"  # noqa: S608 - a number of ours


class Outbox:
    """The reading side of what goes up, and the acknowledgements.

    Args:
        select: runs a SELECT on what is committed.
    """

    def __init__(self, select: Select) -> None:
        self._select = select

    def last_sequence(self) -> int:
        """Return the highest sequence in the outbox; 0 when it is empty."""
        return int(self._select("SELECT coalesce(max(sequence), 0) FROM outbox", ())[0][0])

    def records(self, *, after: int, limit: int) -> list[LogRecord]:
        """Return records in order, from the first after ``after``."""
        rows = self._select(
            "SELECT sequence, time_us, event, message, fields FROM outbox"
            " WHERE sequence>? ORDER BY sequence LIMIT ?",
            (after, limit),
        )
        return [LogRecord(*row) for row in rows]

    def acknowledged(self, up_to: ChainPoint) -> Operation:
        """The core has every record up to here."""

        def write(transaction: Transaction) -> None:
            # Never beyond what was given out: sequences must not be used twice.
            known = min(up_to.sequence, transaction.sequence)
            ((octets,),) = transaction.execute(_OCTETS + " WHERE sequence<=?", (known,))
            transaction.outbox_bytes -= int(octets)
            transaction.write("DELETE FROM outbox WHERE sequence<=?", (known,))
            transaction.write(
                "INSERT INTO meta VALUES ('acknowledged',?)"
                " ON CONFLICT (name) DO UPDATE SET value=max(value, excluded.value)",
                (known,),
            )
            if up_to.digest and known == up_to.sequence:
                fact = ("chain", written_chain(up_to))
                transaction.write("REPLACE INTO meta VALUES (?,?)", fact)

        return write

    def octets(self) -> int:
        """Return about how much room the records take."""
        return int(self._select(_OCTETS, ())[0][0])

    def dropped(self, excess_bytes: int) -> Operation:
        """Let the oldest records go, as many as take that much room; mail goes on without them.

        A gap record stands in the place of all that ever went. What is quarantined is no record,
        and stays.
        """

        def write(transaction: Transaction) -> None:
            rows = transaction.execute(
                "SELECT sequence, time_us, event, message, fields FROM outbox"
                " ORDER BY sequence LIMIT ?",
                (DROPPED_AT_ONCE,),
            )
            gone: list[LogRecord] = []
            left_bytes = excess_bytes
            for row in rows:
                if left_bytes <= 0 and len(gone) > 1:
                    break
                gone.append(LogRecord(*row))
                left_bytes -= _room(gone[-1])
            if len(gone) > 1:  # one alone would only be replaced
                _replace(transaction, gone)

        return write

    def gap(self) -> GapRecord | None:
        """Return what stands in the place of records that went; None when none did."""
        oldest = self.records(after=0, limit=1)
        return _gap_of(oldest[0]) if oldest else None

    def uploads(self, *, limit: int) -> list[Upload]:
        """Return quarantined messages that the core has not taken, the oldest first.

        One of which recipients still wait to be judged is not among them: the core takes a message
        once, and theirs may have to come to it too.
        """
        rows = self._select(
            "SELECT id, quarantined_us, quarantine_reason, quarantine_detail FROM message"
            " WHERE quarantined_us>0 AND set_aside='' AND NOT EXISTS (SELECT 1 FROM recipient"
            " WHERE message=id AND state IN ('received', 'waiting'))"
            " ORDER BY quarantined_us, id LIMIT ?",
            (limit,),
        )
        found = []
        for identifier, quarantined_us, reason, detail in rows:
            message = read_message(self._select, MessageId(identifier))
            if message is None:
                continue
            recipients = [r for r in message.recipients if r.state is State.QUARANTINED]
            copy = message.copies[recipients[0].copy] if message.copies else Copy(head=b"")
            found.append(
                Upload(
                    message=message,
                    quarantined_us=quarantined_us,
                    recipients=tuple(r.address for r in recipients),
                    reason=reason,
                    detail=detail,
                    copy=copy,
                )
            )
        return found

    def sizes(self) -> tuple[int, int]:
        """Return the number of records and of uploads that wait."""
        # Each end by itself: asked for both in one SELECT, SQLite reads the whole table.
        records = self._select(
            "SELECT coalesce((SELECT max(sequence) FROM outbox)"
            " - (SELECT min(sequence) FROM outbox) + 1, 0)",
            (),
        )
        uploads = self._select(
            "SELECT count(*) FROM message WHERE quarantined_us>0 AND set_aside=''", ()
        )
        return int(records[0][0]), int(uploads[0][0]) + self._set_aside_count()

    def set_aside(self) -> UploadsSetAside | None:
        """Return what the core does not take, by its first message; None: it takes all."""
        count = self._set_aside_count()
        if not count:
            return None
        [[identifier, reason]] = self._select(
            "SELECT id, set_aside FROM message WHERE set_aside>'' ORDER BY id LIMIT 1", ()
        )
        return UploadsSetAside(count, MessageId(identifier), reason)

    def _set_aside_count(self) -> int:
        return int(self._select("SELECT count(*) FROM message WHERE set_aside>''", ())[0][0])


def _room(record: LogRecord) -> int:
    return len(record.fields) + ROW_BYTES


def _gap_of(record: LogRecord) -> GapRecord | None:
    """Return what a record tells of others that went to make room, if it is one that does."""
    if record.event != Event.GAP:
        return None
    try:
        told = read(record.event, record.fields)
    except FieldsUnreadable:
        return None
    return told if isinstance(told, GapRecord) and told.last == record.sequence else None


def _replace(transaction: Transaction, gone: Sequence[LogRecord]) -> None:
    """Put one gap record in the place of the oldest records, at the sequence of their last."""
    before, last = _gap_of(gone[0]), gone[-1]
    times = [record.time_us for record in gone]
    gap = GapRecord(
        first=before.first if before else gone[0].sequence,
        last=last.sequence,
        reason=OUTBOX_IS_FULL,
        records=before.records + len(gone) - 1 if before else len(gone),
        since_us=before.since_us if before else min(times),
        until_us=max(times),
    )
    (fields,) = written(gap)
    told = LogRecord(last.sequence, last.time_us, gap.event, "", fields)
    transaction.write("DELETE FROM outbox WHERE sequence<=?", (last.sequence,))
    transaction.write(
        "INSERT INTO outbox VALUES (?,?,?,?,?)",
        (told.sequence, told.time_us, told.event, told.message_id, told.fields),
    )
    transaction.outbox_bytes += _room(told) - sum(map(_room, gone))
