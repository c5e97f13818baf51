"""How does a test get a spool with a million held messages in half a minute?

Touches the folder of a shard that nobody has open, through the spool's own tables and row
functions: what is written is what intake, judgement and failed deliveries would have left, without
a sync. Also a command: ``python -m tests.support.spool.much_mail FOLDER MESSAGES DESTINATIONS``.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import apsw

from common.envelope import Envelope
from common.ids import MessageId, ulid
from common.states import State
from satellite.spool.disk.bodies import FOLDER
from satellite.spool.disk.rows import INSERT_MESSAGE, INSERT_RECIPIENT, message_row, recipient_row
from satellite.spool.disk.schema import close, open_writer
from satellite.spool.model.messages import Copy, Origin, Recipient, Stored

BODY = b"Subject: held\r\n\r\nhello\r\n"
HEAD = b"X-BorderScout: id=01JDZ0000000000000000000AB; node=lon1; revision=1\r\n" * 5
TRACE = b"Received: from client.example (client.example [192.0.2.7])\r\n by mx1.scout.example\r\n"
REASON = "192.0.2.1:25 takes no connection: connection refused"
HOUR_US = 3_600_000_000
SPACING_US = 1_000  # between two messages, so that ids are in order


def domain(number: int) -> str:
    """Return the domain of the destination with a number."""
    return f"d{number:05}.example"


def fill_much(
    folder: Path,
    *,
    messages: int,
    destinations: int,
    of_first: int = 0,
    state: State = State.HELD,
    now_us: int | None = None,
) -> None:
    """Put messages into a spool, each for one destination after the other.

    Args:
        folder: the shard's; made when missing.
        messages: how many.
        destinations: of how many domains.
        of_first: how many of the messages are for the first of them, before all others.
        state: of each recipient.
        now_us: when the last of them came; the real time when left out.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    close(open_writer(folder / "spool.db"))  # which makes the tables
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    connection = apsw.Connection(str(folder / "spool.db"))
    try:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        domains = (domain(max(0, n - of_first) % destinations) for n in range(messages))
        rows = _stored(domains, state, first_us=now_us - messages * SPACING_US)
        cursor = connection.cursor()
        for stored in rows:
            cursor.execute(INSERT_MESSAGE, message_row(stored))
            [recipient] = stored.recipients
            cursor.execute(INSERT_RECIPIENT, recipient_row(stored, recipient))
            cursor.execute("INSERT INTO copy VALUES (?,0,?,0)", (stored.id, HEAD))
            cursor.execute("INSERT INTO body VALUES (?,?)", (stored.id, BODY))
        if state is State.HELD:
            cursor.executemany(
                "REPLACE INTO hold VALUES (?,?,?)",
                [(domain(number), now_us - HOUR_US, REASON) for number in range(destinations)],
            )
        age_us = messages * SPACING_US
        facts = {"age_us": age_us, "age_wall_us": now_us, "clean": 1}
        cursor.executemany("REPLACE INTO meta VALUES (?,?)", list(facts.items()))
        connection.execute("COMMIT")
    finally:
        connection.close()


def _stored(domains: Iterable[str], state: State, *, first_us: int) -> Iterator[Stored]:
    digest, copies = hashlib.sha256(BODY).digest(), (Copy(head=HEAD),)
    for number, of in enumerate(domains):
        address = f"user{number % 997}@{of}"
        received_us = first_us + number * SPACING_US
        yield Stored(
            id=MessageId(ulid(now_us=received_us, randomness=number.to_bytes(10, "big"))),
            origin=Origin.SMTP,
            envelope=Envelope(
                client_address="192.0.2.7",
                helo="client.example",
                sender="a@sender.example",
                recipients=(address,),
            ),
            received_us=received_us,
            age_us=number * SPACING_US,
            size=len(BODY),
            sha256=digest,
            trace=TRACE,
            revision=1,
            subject="held",
            scans=1,
            recipients=(
                Recipient(
                    number=0,
                    address=address,
                    state=state,
                    disposition="deliver",
                    decided="clean: score 0.0",
                    reason=REASON,
                    copy=0,
                ),
            ),
            copies=copies,
            in_file=False,
        )


if __name__ == "__main__":
    fill_much(Path(sys.argv[1]), messages=int(sys.argv[2]), destinations=int(sys.argv[3]))
