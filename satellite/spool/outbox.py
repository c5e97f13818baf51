"""Which log records and quarantined messages does the core not have yet?

Touches the spool's tables. Records leave in the order of their sequence; a quarantined message
leaves with its body. Both stay until the core says that it has them durably (P7, P8).
"""

from __future__ import annotations

from common.ids import MessageId
from common.records import LogRecord
from common.states import State
from satellite.spool.commits import Operation, Transaction
from satellite.spool.disk.rows import Select, read_message
from satellite.spool.model.messages import Copy, Upload


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

    def acknowledged(self, up_to: int) -> Operation:
        """The core has every record up to here."""

        def write(transaction: Transaction) -> None:
            # Never beyond what was given out: sequences must not be used twice.
            known = min(up_to, transaction.sequence)
            transaction.execute("DELETE FROM outbox WHERE sequence<=?", (known,))
            transaction.execute(
                "INSERT INTO meta VALUES ('acknowledged',?)"
                " ON CONFLICT (name) DO UPDATE SET value=max(value, excluded.value)",
                (known,),
            )

        return write

    def uploads(self, *, limit: int) -> list[Upload]:
        """Return quarantined messages that the core has not taken, the oldest first."""
        rows = self._select(
            "SELECT id, quarantined_us, quarantine_reason, quarantine_detail FROM message"
            " WHERE quarantined_us>0 ORDER BY quarantined_us, id LIMIT ?",
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
        uploads = self._select("SELECT count(*) FROM message WHERE quarantined_us>0", ())
        return int(records[0][0]), int(uploads[0][0])
