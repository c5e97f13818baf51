"""What does a search ask for, and how is a message shown?

Pure. Source: docs/design/json.md, *borderscout track --json*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from common.address import AddressError, canonical_ip, parse_address, parse_domain
from common.ids import is_ulid
from common.records import Event, FieldsUnreadable, parse_object, verdicts_as_told
from common.records.bounds import LINE_LENGTH_MAX, storable
from core.records.messages import Message, RecipientCopy

QUERY_LENGTH_MAX = 1_000  # characters; a Message-ID of RFC 5322's longest line
LOOKS = (Event.SCANNED, Event.WAITING)  # the records that hold verdicts


class What(StrEnum):
    """What a query names."""

    MESSAGE = "message"  # our id
    MESSAGE_ID = "message_id"  # the header's
    ADDRESS = "address"
    DOMAIN = "domain"
    CLIENT = "client"  # its IP address


@dataclass(frozen=True, slots=True)
class Query:
    """One thing to look for, in the form in which it is stored."""

    what: What
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRecord:
    """One record of a message, or of a node, as a search reads it."""

    time_us: int
    event: str
    fields: bytes
    flaw: str


def parse_query(text: str) -> Query | None:
    """Return what a text asks for, or None when it can name nothing that we keep."""
    text = text.strip()
    if not text or len(text) > QUERY_LENGTH_MAX:
        return None
    if is_ulid(text.upper()):
        return Query(What.MESSAGE, text.upper())
    if text.startswith("<") and text.endswith(">"):
        return Query(What.MESSAGE_ID, storable(text, length_max=LINE_LENGTH_MAX))
    return _named(text)


def _named(text: str) -> Query | None:
    """Return the client, address or domain that a text is."""
    try:
        return Query(What.CLIENT, canonical_ip(text))
    except ValueError:
        pass  # no client's
    try:
        if "@" in text:
            return Query(What.ADDRESS, parse_address(text).folded)
        return Query(What.DOMAIN, parse_domain(text))
    except AddressError:
        return None


def iso_time(time_us: int) -> str:
    """Return a time in microseconds since the epoch as ISO 8601, UTC."""
    seconds, rest = divmod(time_us, 1_000_000)
    whole = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest, tzinfo=None)
    return whole.isoformat(timespec="microseconds") + "Z"


def message_json(message: Message, told: Iterable[FoundRecord]) -> dict[str, Any]:
    """Return one message with everything that is known of it.

    Args:
        message: what its records came to.
        told: its records, in their order.
    """
    told = list(told)
    look = _last_look(told)
    return {
        "id": message.id,
        "message_id": message.message_id_header,
        "node": message.node,
        "shard": message.shard,
        "received": iso_time(message.received_us),
        "client": message.client,
        "sender": message.sender,
        "subject": message.subject,
        "size": message.size,
        "sha256": message.sha256,
        "origin": message.origin,
        "released_from": message.released_from,
        "quarantine_reason": message.quarantine_reason,
        "revision": message.revision,
        "score": message.score,
        "recipients": [_copy_json(copy) for copy in message.copies.values()],
        "scanned": iso_time(look.time_us) if look is not None else "",
        "verdicts": verdicts_as_told(look.fields) if look is not None else [],
        "events": [event_json(one) for one in told],
    }


def judged_json(message: Message, told: Iterable[FoundRecord]) -> dict[str, Any]:
    """Return what a message was judged by, and to what end, without all that came after.

    Args:
        message: what its records came to.
        told: its records, in their order.
    """
    look = _last_look(list(told))
    return {
        "id": message.id,
        "received": iso_time(message.received_us),
        "client": message.client,
        "helo": message.helo,
        "sender": message.sender,
        "subject": message.subject,
        "size": message.size,
        "revision": message.revision,
        "judged_us": look.time_us if look is not None else message.received_us,
        "recipients": [
            {
                "address": copy.address,
                "customer": copy.customer,
                "disposition": copy.disposition,
                "reason": copy.reason,
            }
            for copy in message.copies.values()
            if copy.disposition
        ],
        "verdicts": verdicts_as_told(look.fields) if look is not None else [],
    }


def event_json(told: FoundRecord) -> dict[str, Any]:
    """Return one record; its own fields cannot replace its time or name."""
    shown: dict[str, Any] = {"time": iso_time(told.time_us), "event": told.event}
    if told.flaw:
        shown["flaw"] = told.flaw
    try:
        fields = parse_object(told.fields)
    except FieldsUnreadable:
        return shown
    return shown | {name: value for name, value in fields.items() if name not in shown}


def _copy_json(copy: RecipientCopy) -> dict[str, Any]:
    shown = {
        "address": copy.address,
        "state": copy.state,
        "disposition": copy.disposition,
        "reason": copy.reason,
        "attempts": copy.attempts,
        "reply": copy.reply,
        "customer": copy.customer,
    }
    if copy.next_us:
        shown["next"] = iso_time(copy.next_us)
    if copy.ended_us:
        shown["ended"] = iso_time(copy.ended_us)
    return shown


def _last_look(told: Sequence[FoundRecord]) -> FoundRecord | None:
    """Return the last record in which engines and filters say something of the message.

    Somebody who is put off, or let go on by an operator, waits for a look that is yet to come.
    """
    for one in reversed(told):
        if one.event in LOOKS and not one.flaw and verdicts_as_told(one.fields):
            return one
    return None
