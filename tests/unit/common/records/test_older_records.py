"""Is what lies in spools and databases still read, and still written with the same keys?"""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from common.records import EndedRecipient, EndedRecord, Event, Record, read, written
from common.records.every import RECORDS
from common.records.log_record import FIELDS_BYTES_MAX

ARRIVED = (
    '{"client":"192.0.2.7","helo":"h","sender":"a@b","recipients":["x@a"],"size":7,"sha256":"ab",'
    '"tls":"","origin":"smtp","subject":"","released_from":""}'
)
VERDICT = (
    '{"by":"clamav","outcome":"clean","version":"1","ms":3,"detail":"","threats":["T"],'
    '"attempt":1,"tests":[{"name":"T","score":1.5,"detail":"d","recipient":null,'
    '"effect":"score"}]}'
)
MOVED = '{"address":"x@a","reason":"r","reply":"451","attempts":2,"next_us":5}'

# As they have been written since the first version.
TOLD = {
    "accepted": [ARRIVED],
    "rejected": [ARRIVED],
    "scanned": [
        f'{{"revision":4,"score":1.5,"subject":"s","message_id":"<1@a>","verdicts":[{VERDICT}]}}'
    ],
    "condemned": [
        '{"engine":"clamav","threat":"T","definitions":"27807","digests":["' + "a" * 64 + '"],'
        '"late":true}'
    ],
    "waiting": [f'{{"reason":"r","next_us":5,"verdicts":[{VERDICT}]}}'],
    "judged": [
        '{"recipients":[{"address":"x@a","disposition":"drop","reason":"r"}],'
        '"quarantine_reason":"","quarantine_detail":""}'
    ],
    "attempted": [
        '{"destination":"a","host":"h","tls":"","tls_verified":false,'
        '"recipients":[{"address":"x@a","reply":"250"}]}',
        '{"destination":"a","host":"h","tls":"","tls_verified":true,'
        '"recipients":[{"address":"x@a","reply":"250"}],"tls_problem":"p"}',
    ],
    "deferred": [f'{{"recipients":[{MOVED}]}}'],
    "held": [f'{{"recipients":[{MOVED}]}}'],
    "frozen": [f'{{"recipients":[{MOVED}]}}', '{"recipients":["x@a"],"reason":"r"}'],
    "resumed": ['{"recipients":["x@a"],"reason":"r"}'],
    "possibly_delivered": ['{"recipients":["x@a"]}'],
    "ended": [
        '{"recipients":[{"address":"x@a","reason":"r","reply":"250","attempts":1,'
        '"outcome":"delivered"}]}'
    ],
    "bounce_made": ['{"bounce_id":"B","sender":"a@b"}'],
    "bounce_withheld": ['{"recipients":["x@a"],"reason":"r"}'],
    "released": ['{"release_id":"R","released_from":"M"}'],
    "damaged": ['{"recipients":["x@a"],"reason":"r"}', '{"reason":"r"}'],
    "spool_damaged": [
        '{"reason":"r","lost":1,"without_body":2,"scanned_again":3,"records":4,"preferences":true}'
    ],
    "started": ['{"version":"1","incarnation":"I","found":{"queued":2}}'],
    "stopped": ["{}"],
    "preferences_applied": ['{"generation":1,"epoch":"E","revision":4}'],
    "preferences_refused": ['{"revision":4,"kind":"route","key":"a","reason":"r"}'],
    "preferences_damaged": ['{"revision":4,"reason":"r"}'],
    "not_accepting": ['{"reason":"r","cause":"disk"}'],
    "accepting": ['{"reason":"","cause":""}'],
    "tls_results": [
        '{"domain":"d","policy":"sts","host":"h","result":"success","sessions":2}',
    ],
    "refused": [
        '{"client":"192.0.2.7","helo":"h","senders":["a@s"],"recipients":["x@a"],"command":"RCPT",'
        '"reason":"relay_denied","reply":"550 no","refusals":1,"since_us":0}'
    ],
    "gap": ['{"from":1,"to":2,"reason":"r"}'],
}


@pytest.mark.parametrize(("event", "told"), [(e, one) for e, all_ in TOLD.items() for one in all_])
def test_what_was_written_before_is_written_again(event: str, told: str) -> None:
    record = cast("Record", read(event, told.encode()))

    (again,) = written(record)
    assert record.event == event
    assert holds(json.loads(again), json.loads(told))


def holds(there: Any, told: Any) -> bool:
    """Say whether all that was told is there; a later version may tell more."""
    if isinstance(told, dict):
        return all(key in there and holds(there[key], value) for key, value in told.items())
    if isinstance(told, list):
        return len(there) == len(told) and all(map(holds, there, told))
    return bool(there == told)


def test_no_event_is_left_out_here() -> None:
    assert TOLD.keys() == {event.value for event in Event} == {cls.event for cls in RECORDS}


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("waiting", {"reason": "resumed by an operator", "recipients": ["x@a"]}),
        ("spool_damaged", {"reason": "unknown files were moved aside", "files": ["core.1"]}),
        ("spool_damaged", {"reason": "lost", "messages": ["M"]}),
    ],
)
def test_what_had_fewer_keys_keeps_them(event: str, told: dict[str, Any]) -> None:
    record = cast("Record", read(event, json.dumps(told).encode()))

    assert holds(json.loads(written(record)[0]), told)


def test_a_record_of_very_many_recipients_becomes_several_and_loses_none() -> None:
    addresses = [f"recipient-{n}@d{n}.example" for n in range(5_000)]
    record = EndedRecord(
        recipients=tuple(
            EndedRecipient(address=one, reason="r" * 100, outcome="bounced") for one in addresses
        )
    )

    parts = written(record)

    assert len(parts) > 1
    assert max(map(len, parts)) <= FIELDS_BYTES_MAX
    told = [cast("EndedRecord", read("ended", part)) for part in parts]
    assert [one.address for part in told for one in part.recipients] == addresses
