"""What happened to a message or a node?

Pure. A log record is durable and replicated; its fields are one JSON object of at most 64 KiB.
The names of events are a promise to whoever reads records: docs/glossary.md, *log record*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

FIELDS_BYTES_MAX = 65_536  # one record fits a frame of the link many times over
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
# Items of a list, characters of a text: texts go first, since a list may be of recipients.
_CUTS = ((2_000, 400), (2_000, 80), (100, 400), (20, 100), (2, 50))


class Event(StrEnum):
    """The events that this version writes. A reader keeps and shows others as they came."""

    ACCEPTED = "accepted"  # answered 250, or made by us: envelope, size, sha256
    REJECTED = "rejected"  # answered 550 after a scan, and not taken: envelope, size, sha256
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
    BOUNCE_WITHHELD = "bounce_withheld"  # mail failed, and why its sender is not told
    RELEASED = "released"  # a new message made from a quarantined one
    DAMAGED = "damaged"  # its body cannot be read
    SPOOL_DAMAGED = "spool_damaged"  # what a start could not read: which, and what now
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


def encoded_parts(fields: Mapping[str, Any]) -> list[bytes]:
    """Return fields as one or more JSON objects that are each within bounds.

    What is too long because it names many ``recipients`` becomes several records, each with some of
    them: a recipient that is cut out of a record would have no outcome (P1).
    """
    encoded = _json(fields)
    recipients = fields.get("recipients")
    if len(encoded) <= FIELDS_BYTES_MAX or not isinstance(recipients, list) or len(recipients) < 2:
        return [encoded if len(encoded) <= FIELDS_BYTES_MAX else encode_fields(fields)]
    half = len(recipients) // 2
    parts = (recipients[:half], recipients[half:])
    return [one for part in parts for one in encoded_parts({**fields, "recipients": part})]


def encode_fields(fields: Mapping[str, Any]) -> bytes:
    """Return fields as compact JSON; what is too long is cut and the record says so.

    Lists and texts give way step by step, at any depth, so that a record never blocks the stream.
    """
    encoded = _json(fields)
    if len(encoded) <= FIELDS_BYTES_MAX:
        return encoded
    for items_max, length_max in _CUTS:
        shortened = {key: _cut(value, items_max, length_max) for key, value in fields.items()}
        encoded = _json(shortened | {"shortened": True})
        if len(encoded) <= FIELDS_BYTES_MAX:
            return encoded
    return _json({"shortened": True})


def _cut(value: Any, items_max: int, length_max: int) -> Any:
    """Return a value whose lists and texts, at any depth, are no longer than this."""
    if isinstance(value, str):
        return value[:length_max]
    if isinstance(value, Mapping):
        return {key: _cut(inner, items_max, length_max) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(inner, items_max, length_max) for inner in value[:items_max]]
    return value


def _json(value: object) -> bytes:
    return _ENCODER.encode(value).encode("utf-8", "replace")
