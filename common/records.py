"""What happened to a message or a node?

Pure. A log record is durable and replicated; its fields are one JSON object of at most 64 KiB.
The names of events are a promise to whoever reads records; DESIGN: glossary, *log record*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

FIELDS_BYTES_MAX = 65_536  # one record fits a frame of the link many times over


class Event(StrEnum):
    """The events that this version writes. A reader keeps and shows others as they came."""

    ACCEPTED = "accepted"  # answered 250, or made by us: envelope, size, sha256
    SCANNED = "scanned"  # verdicts, score, revision
    WAITING = "waiting"  # an engine that must answer does not
    JUDGED = "judged"  # the disposition of each recipient, with what decided
    ATTEMPTED = "attempted"  # one delivery transaction: host, replies
    DEFERRED = "deferred"  # recipients that will be tried again, and when
    HELD = "held"
    FROZEN = "frozen"
    RESUMED = "resumed"
    POSSIBLY_DELIVERED = "possibly_delivered"  # found after a crash with its sending mark on
    ENDED = "ended"  # the outcome of recipients, with the reason
    BOUNCE_MADE = "bounce_made"
    RELEASED = "released"  # a new message made from a quarantined one
    DAMAGED = "damaged"  # its body cannot be read
    STARTED = "started"  # a worker: incarnation, version, what recovery found
    STOPPED = "stopped"
    PREFERENCES_APPLIED = "preferences_applied"
    PREFERENCES_REFUSED = "preferences_refused"
    NOT_ACCEPTING = "not_accepting"
    ACCEPTING = "accepting"
    GAP = "gap"  # records were given up: from, to, reason


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One event.

    Args:
        sequence: place in the shard's outbox, from 1, without holes.
        time_us: microseconds since the epoch, UTC.
        event: a member of ``Event``, or another version's word.
        message_id: a ULID, or empty when the record is about the node.
        fields: a JSON object as UTF-8.
    """

    sequence: int
    time_us: int
    event: str
    message_id: str
    fields: bytes

    def decoded(self) -> dict[str, Any]:
        """Return the fields as a dict."""
        decoded: dict[str, Any] = json.loads(self.fields)
        return decoded


def encode_fields(fields: Mapping[str, Any]) -> bytes:
    """Return fields as compact JSON; what is too long is cut and the record says so.

    The longest string or list gives way first, so that a record never blocks the stream.
    """
    encoded = _json(fields)
    if len(encoded) <= FIELDS_BYTES_MAX:
        return encoded
    shortened = dict(fields) | {"shortened": True}
    for key in sorted(fields, key=lambda k: len(_json(fields[k])), reverse=True):
        value = fields[key]
        if isinstance(value, list):
            shortened[key] = value[:20]
        elif isinstance(value, str):
            shortened[key] = value[:1000]
        if len(_json(shortened)) <= FIELDS_BYTES_MAX:
            return _json(shortened)
    return _json({"shortened": True})


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
