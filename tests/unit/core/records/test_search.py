"""Does a search look for what was meant?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.records.reading import VERDICT_JSON_LENGTH_MAX
from core.records.messages import Message
from core.records.search import (
    FoundRecord,
    Query,
    What,
    event_json,
    iso_time,
    message_json,
    parse_query,
)
from tests.support.core.rooms import made_id


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (made_id(7), Query(What.MESSAGE, made_id(7))),
        (made_id(7).lower(), Query(What.MESSAGE, made_id(7))),
        ("<a.b@c>", Query(What.MESSAGE_ID, "<a.b@c>")),
        ("X@Acme.example", Query(What.ADDRESS, "x@acme.example")),
        ("Acme.example.", Query(What.DOMAIN, "acme.example")),
        ("bücher.example", Query(What.DOMAIN, "xn--bcher-kva.example")),
        ("'; DROP TABLE message; --", None),
        ("", None),
        ("a" * 2_000, None),
    ],
)
def test_a_query_names_one_thing(text: str, query: Query | None) -> None:
    assert parse_query(text) == query


def test_times_are_utc() -> None:
    assert iso_time(1_767_225_600_000_001) == "2026-01-01T00:00:00.000001Z"
    assert iso_time(253_402_300_799_999_999) == "9999-12-31T23:59:59.999999Z"


def test_a_records_fields_cannot_replace_its_name() -> None:
    told = FoundRecord(time_us=0, event="ended", fields=b'{"event":"x","time":"y","a":1}', flaw="")

    assert event_json(told) == {"time": "1970-01-01T00:00:00.000000Z", "event": "ended", "a": 1}


def test_an_unreadable_record_is_shown_with_its_flaw() -> None:
    told = FoundRecord(
        time_us=0, event="ended", fields=b"\xff", flaw="the fields are not valid JSON"
    )

    assert event_json(told)["flaw"] == "the fields are not valid JSON"


def _verdicts_of(*told: FoundRecord) -> list[dict[str, Any]]:
    message = Message(id=made_id(1), node="lon1", shard=0, received_us=0)
    found: list[dict[str, Any]] = message_json(message, told)["verdicts"]
    return found


def _looked(event: str, *verdicts: object, flaw: str = "") -> FoundRecord:
    fields = json.dumps({"verdicts": list(verdicts)}).encode()
    return FoundRecord(time_us=0, event=event, fields=fields, flaw=flaw)


def test_the_verdicts_are_those_of_the_last_look() -> None:
    told = [
        _looked("waiting", {"by": "clamav"}, {"by": "yara"}),
        _looked("scanned", {"by": "clamav", "outcome": "clean"}),
        _looked("scanned", {"by": "evil"}, flaw="it cannot be read"),
        _looked("judged", {"by": "evil"}),
    ]

    (verdict,) = _verdicts_of(*told)

    assert (verdict["by"], verdict["outcome"], verdict["version"]) == ("clamav", "clean", "")


def test_who_waits_for_another_look_has_the_verdicts_of_the_one_before() -> None:
    told = [_looked("scanned", {"by": "clamav", "outcome": "clean"}), _looked("waiting")]

    (verdict,) = _verdicts_of(*told)

    assert (verdict["by"], verdict["definitions"], verdict["definitions_us"]) == ("clamav", "", 0)


def test_a_message_that_nobody_looked_at_has_no_verdicts() -> None:
    assert _verdicts_of(_looked("accepted", {"by": "evil"})) == []


def test_a_verdict_that_is_too_long_or_none_shows_as_an_empty_one() -> None:
    long = {"by": "clamav", "detail": "x" * VERDICT_JSON_LENGTH_MAX}

    (verdict,) = _verdicts_of(_looked("scanned", long, "no verdict"))

    assert verdict["detail"] == ""
