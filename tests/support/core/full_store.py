"""What does a core's database hold after years, made in seconds?

Touches a database. The rows are such as intake writes them, made up by a number: the same number is
the same row, so that a part can be filled in after another. On SQLite they go in as tuples, on
PostgreSQL by COPY.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table

from common.ids import ulid
from core.store import tables
from core.store.bulk import inserting
from tests.support.core.rooms import START_US, made_id

SECOND_US = 1_000_000
NODES = tuple(f"node{number}" for number in range(6))
LIFE = made_id(7)
DOMAINS = 500
EVENTS = ("accepted", "scanned", "judged", "attempted", "ended")
SAME_BODY = b"\1" * 32  # the digest of every second case's: a mailing
PART = 2_000  # messages, or cases, that are made at once

Rows = dict[Table, list[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How much there is; five records tell of a message, one of a refusal.

    Args:
        messages: delivered mail.
        refusals: with a recipient each.
        cases: in the quarantine: of ten seven are deleted, two held, and one is released.
        open_releases: that nobody has claimed.
        revisions: of the preferences, each of one list entry.
        audit: entries.
    """

    messages: int = 0
    refusals: int = 0
    cases: int = 0
    open_releases: int = 0
    revisions: int = 0
    audit: int = 0


def message_id(number: int) -> str:
    """Return the id of a message that was made up."""
    chance = random.Random(number)
    return ulid(now_us=START_US + number * SECOND_US, randomness=chance.randbytes(10))


def case_id(number: int) -> str:
    """Return the id of a case that was made up."""
    chance = random.Random(-1 - number)
    return ulid(now_us=START_US + number * SECOND_US, randomness=chance.randbytes(10))


def domain(number: int) -> str:
    """Return the domain that a message or case is for."""
    return f"d{number % DOMAINS}.example"


def fill(connection: Connection, amounts: Amounts) -> None:
    """Write so much, in the connection's transaction."""
    for rows in parts(amounts):
        write(connection, rows)


def parts(amounts: Amounts) -> Iterator[Rows]:
    """Yield so much in parts, for who has more than one transaction can hold."""
    yield _shards()
    for make, count in (
        (_messages, amounts.messages),
        (_refusals, amounts.refusals),
        (_cases, amounts.cases),
        (_releases, amounts.open_releases),
        (_revisions, amounts.revisions),
        (_audit, amounts.audit),
    ):
        for start in range(0, count, PART):
            yield make(range(start, min(start + PART, count)))


def write(connection: Connection, rows: Rows) -> None:
    """Write rows, each a value for each column."""
    for table, some in rows.items():
        if connection.dialect.name == "postgresql":
            _copy(connection, table, some)
        else:
            inserting(table).run(connection, some)


def _copy(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    cursor = connection.connection.cursor()
    columns = ", ".join(f'"{column.name}"' for column in table.c)
    with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copying:
        for row in rows:
            copying.write_row(row)


def _shards() -> Rows:
    shards = [(node, 0, LIFE, START_US, START_US, "{}", "{}", "[]") for node in NODES]
    lives = [(node, 0, LIFE, 1, START_US, "", 0, True) for node in NODES]
    return {
        tables.shard: shards,
        tables.life: lives,
        tables.outbox: [(node, 0, LIFE, 1 << 40, b"", 0) for node in NODES],
    }


def _messages(numbers: range) -> Rows:
    rows: Rows = {table: [] for table in (tables.log_record, tables.message, tables.recipient)}
    for number in numbers:
        node, made = NODES[number % len(NODES)], message_id(number)
        time_us = START_US + number * SECOND_US
        sender_domain = f"s{number % 211}.example"
        sender, to = f"a{number % 4999}@{sender_domain}", f"u{number % 997}@{domain(number)}"
        client = f"192.0.{number % 3}.{number % 251}"
        rows[tables.log_record] += [
            (node, 0, LIFE, number * 5 + place, time_us, time_us, event, made, _FIELDS[event], "")
            for place, event in enumerate(EVENTS, 1)
        ]
        rows[tables.message].append(
            (
                made,
                node,
                0,
                time_us,
                "smtp",
                client,
                "mail.sender.example",
                "",
                sender,
                sender,
                sender_domain,
                f"<{number}@x.example>",
                f"Minutes {number}",
                4000,
                "ab" * 32,
                1,
                0.5,
                "",
                "",
            )
        )
        rows[tables.recipient].append(
            (
                made,
                to,
                0,
                node,
                "smtp",
                time_us,
                to,
                domain(number),
                _customer(number),
                "delivered",
                "deliver",
                "clean",
                1,
                "250 ok",
                0,
                time_us + SECOND_US,
            )
        )
    return rows


def _refusals(numbers: range) -> Rows:
    rows: Rows = {
        table: [] for table in (tables.log_record, tables.refusal, tables.refused_address)
    }
    for number in numbers:
        place = (NODES[number % len(NODES)], 0, LIFE, (1 << 32) + number)
        time_us = START_US + number * SECOND_US
        client, to = f"198.51.{number % 5}.{number % 7}", f"r{number % 97}@{domain(number % 9)}"
        fields = json.dumps({"client": client, "recipients": [to], "reason": "relay"}).encode()
        event = "refused" if number % 100 else "not accepting"
        rows[tables.log_record].append((*place, time_us, time_us, event, "", fields, ""))
        if event == "refused":
            rows[tables.refusal].append((*place, time_us, client, "RCPT", "relay", 1))
            rows[tables.refused_address].append((*place, to, domain(number % 9), time_us))
    return rows


def _cases(numbers: range) -> Rows:
    rows: Rows = {tables.quarantine_case: [], tables.case_recipient: []}
    for number in numbers:
        made, time_us = case_id(number), START_US + number * SECOND_US
        state = ("deleted",) * 7 + ("held",) * 2 + ("released",)
        whose = number if number % 2 else 0  # one domain has half of them
        to = f"u{number % 997}@{domain(whose)}"
        case = {
            "message_id": made,
            "node": NODES[number % len(NODES)],
            "shard": 0,
            "incarnation": LIFE,
            "state": state[number % 10],
            "opened_us": time_us,
            "quarantined_us": time_us,
            "sender": "a@sender.example",
            "recipients": json.dumps([to]),
            "reason": "spam" if number % 3 else "virus",
            "detail": "score 12",
            "sha256": SAME_BODY if number % 2 else random.Random(number).randbytes(32),
            "size": 4000,
            "subject": f"Offer {number}",
            "client_address": "192.0.2.7",
            "head": b"X-BorderScout: id=1\r\n",
            "skip": 0,
            "smtputf8": False,
            "eight_bit": False,
            "held_us": time_us,
            "deleted_us": time_us + 1 if number % 10 < 7 else 0,
            "deleted_by": "",
        }
        rows[tables.quarantine_case].append(tuple(case[c.name] for c in tables.quarantine_case.c))
        of = (made, to, domain(whose), _customer(whose), state[number % 10], time_us)
        rows[tables.case_recipient].append(of)
    return rows


def _releases(numbers: range) -> Rows:
    return {
        tables.release: [
            (
                made_id((1 << 20) + number),
                case_id(number // 4 * 10 + 7),
                START_US,
                "ann",
                False,
                "waiting",
                "",
                0,
                "",
                0,
                0,
                0,
                "",
                "[]",
            )
            for number in numbers
        ]
    }


def _revisions(numbers: range) -> Rows:
    rows: Rows = {tables.revision: [], tables.change: []}
    for number in numbers:
        rows[tables.revision].append(
            (number + 1, START_US + number * SECOND_US, "ann", "", 1, bytes(32))
        )
        key, scope = f"white/domain/{domain(number)}/x{number}.example", domain(number)
        change = (number + 1, 0, "list", key, f"domain/{scope}", None, b"{}")
        rows[tables.change].append(change)
    return rows


def _audit(numbers: range) -> Rows:
    return {
        tables.audit: [
            (number + 1, START_US + number * SECOND_US, "ann", "flush", "everything", "")
            for number in numbers
        ]
    }


def _customer(number: int) -> str:
    return f"customer{number % DOMAINS % 50}"


_TOLD = json.dumps({"recipients": [{"address": "u@d.example", "reply": "250 2.0.0 Ok" * 8}]})
_FIELDS = {event: _TOLD.encode() for event in EVENTS}
