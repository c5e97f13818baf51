"""What do tests of the core's rooms begin with?

Pure: documents, records and cases with every field that does not matter filled in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from common.identity import ShardIdentity
from common.ids import ulid
from common.link import Case
from common.preferences import Document
from common.preferences.documents import canonical_json
from common.records import LogRecord

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


def made_id(number: int) -> str:
    """Return the ULID of a number; larger numbers sort later."""
    return ulid(now_us=START_US, randomness=number.to_bytes(10, "big"))


def identity(node: str = "lon1", shard: int = 0, life: int = 1) -> ShardIdentity:
    """Return a shard in one of its lives."""
    return ShardIdentity(node, shard, made_id(life))


def document(kind: str, key: str, body: Mapping[str, Any] | None = None) -> Document:
    """Return a document, or its tombstone when there is no body."""
    if body is None:
        return Document(kind, key, 0, b"", True)
    return Document(kind, key, 0, canonical_json(dict(body)))


def route(domain: str = "acme.example", customer: str = "acme", **more: Any) -> Document:
    """Return a route."""
    body = {"customer": customer, "deliver_to": [f"mail.{domain}:25"], **more}
    return document("route", domain, body)


def record(sequence: int, event: str, message_id: str = "", /, **fields: Any) -> LogRecord:
    """Return a log record; its time grows with its sequence."""
    return LogRecord(
        sequence, START_US + sequence * 1_000, event, message_id, json.dumps(fields).encode()
    )


def accepted(
    sequence: int,
    message_id: str,
    recipients: Sequence[str] = ("x@acme.example",),
    **more: Any,
) -> LogRecord:
    """Return the record of a message that was answered 250."""
    fields = {
        "client": "192.0.2.7",
        "helo": "mail.sender.example",
        "sender": "a@sender.example",
        "recipients": list(recipients),
        "size": 1234,
        "sha256": "ab" * 32,
        "tls": "",
        "origin": "smtp",
    }
    return record(sequence, "accepted", message_id, **(fields | more))


def ended(
    sequence: int, message_id: str, outcome: str, address: str = "x@acme.example"
) -> LogRecord:
    """Return the record of a recipient's end."""
    one = {
        "address": address,
        "outcome": outcome,
        "reason": "because",
        "reply": "250 ok",
        "attempts": 1,
    }
    return record(sequence, "ended", message_id, recipients=[one])


def told_case(message_id: str, body: bytes, /, **more: Any) -> Case:
    """Return what a satellite says of a quarantined message."""
    values: dict[str, Any] = {
        "message_id": message_id,
        "quarantined_us": START_US,
        "sender": "a@sender.example",
        "recipients": ("x@acme.example",),
        "reason": "virus",
        "detail": "Eicar-Test",
        "sha256": hashlib.sha256(body).digest(),
        "size": len(body),
        "subject": "Hello",
        "client_address": "192.0.2.7",
        "head": b"X-BorderScout: id=1\r\n",
        "skip": 0,
        "smtputf8": False,
        "eight_bit": False,
    }
    return Case(**(values | more))
