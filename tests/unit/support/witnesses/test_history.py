"""Does the checker read what the core really says?

Records as a spool writes them go through the core's own intake and become the lines of
``borderscout track --json``; the checker's reading is held against those, not against a sketch.
"""

from __future__ import annotations

import json
from typing import Any

from common.identity import ShardIdentity
from common.records import Event, LogRecord, from_object
from core.records import intake
from core.records.search import FoundRecord, message_json
from tests.support.witnesses.checker import Kind, check
from tests.support.witnesses.history import folded, known_messages

ID = "01JDZ0000000000000000000AB"
SHARD = ShardIdentity("lon1", 0, "01JDZ0000000000000000000AA")
Record = tuple[Event, dict[str, Any]]

ACCEPTED: Record = (
    Event.ACCEPTED,
    {
        "client": "192.0.2.7",
        "helo": "load.example",
        "sender": "a@sender.example",
        "recipients": ["X@acme.example", "y@acme.example"],
        "size": 12,
        "sha256": "ab" * 32,
        "tls": "",
        "origin": "smtp",
    },
)


def _ended(*outcomes: tuple[str, str]) -> Record:
    recipients = [
        {"address": address, "outcome": outcome, "reason": "because", "reply": "", "attempts": 1}
        for address, outcome in outcomes
    ]
    return Event.ENDED, {"recipients": recipients}


def _track(*records: Record) -> dict[str, Any]:
    told = []
    message = None
    for sequence, (event, fields) in enumerate(records, 1):
        record = LogRecord(sequence, sequence * 1000, event, ID, json.dumps(fields).encode())
        message = message or intake.new_message(record, SHARD)
        intake.apply(
            message,
            record,
            from_object(event, fields),
            identity=SHARD,
            customer_of=lambda _: "acme",
        )
        told.append(FoundRecord(time_us=record.time_us, event=event, fields=record.fields, flaw=""))
    assert message is not None
    return message_json(message, told)


def test_envelope_outcomes_and_digest_are_found_where_the_core_puts_them() -> None:
    possibly: Record = (Event.POSSIBLY_DELIVERED, {"recipients": ["X@acme.example"]})
    track = _track(
        ACCEPTED, possibly, _ended(("X@acme.example", "delivered"), ("y@acme.example", "dropped"))
    )

    (known,) = known_messages([track])

    assert (known.id, known.origin, known.sha256) == (ID, "smtp", "ab" * 32)
    assert [(one.address, one.state, one.endings, one.possibly) for one in known.recipients] == [
        ("x@acme.example", "delivered", ("delivered",), 1),
        ("y@acme.example", "dropped", ("dropped",), 0),
    ]
    assert all(one.reason == "because" for one in known.recipients)


def test_a_release_and_a_bounce_are_told_apart_from_mail() -> None:
    event, fields = ACCEPTED
    released = _track((event, fields | {"origin": "release", "released_from": ID}))
    bounce = _track((event, fields | {"origin": "bounce"}))

    assert [known.origin for known in known_messages([released, bounce])] == ["release", "bounce"]


def test_a_second_end_that_the_core_refuses_to_believe_is_still_seen() -> None:
    """The core keeps the first outcome and flags the record; the checker must not be content."""
    track = _track(
        ACCEPTED,
        _ended(("X@acme.example", "delivered"), ("y@acme.example", "dropped")),
        _ended(("y@acme.example", "delivered")),
    )

    found = check(ledger=[], arrived=[], messages=[track])

    assert Kind.TWO_OUTCOMES in {finding.kind for finding in found}


def test_addresses_are_compared_as_the_gateway_compares_them() -> None:
    assert folded("Ada@ACME.example") == "ada@acme.example"
    assert folded("x@bücher.example") == "x@xn--bcher-kva.example"
