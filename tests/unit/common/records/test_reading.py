"""Is a record's content read within bounds, whatever it is?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from common.records import AcceptedRecord, FieldsUnreadable, parse_object, read
from common.records.bounds import (
    LABEL_LENGTH_MAX,
    LINE_LENGTH_MAX,
    NAME_LENGTH_MAX,
    TESTS_MAX,
    TIME_US_MAX,
    VERDICTS_MAX,
    storable,
    whole_number,
)
from common.records.reading import from_object


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"nonsense",
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b"\xff\xfe",
        b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"a": ' + b"9" * 5_000 + b"}",
    ],
)
@pytest.mark.parametrize("event", ["accepted", "teleported"])
def test_what_is_no_plain_json_object_is_unreadable(event: str, data: bytes) -> None:
    with pytest.raises(FieldsUnreadable):
        read(event, data)


def test_half_a_character_is_mended() -> None:
    assert parse_object(rb'{"a": "x\ud83dy", "b": "\u00e9"}') == {"a": "x?y", "b": "é"}


def test_values_of_another_type_read_as_nothing() -> None:
    strange = {"sender": 1, "size": "1", "recipients": {"a": 1}, "client": None, "tls": ["x"]}

    accepted = from_object("accepted", strange)

    assert accepted == AcceptedRecord(
        client="",
        helo="",
        sender="",
        recipients=(),
        size=0,
        sha256="",
        tls="",
        origin="",
        subject="",
        released_from="",
    )


def test_a_claim_is_no_number_and_no_text_a_score() -> None:
    scanned: Any = from_object("scanned", {"revision": True, "score": "x", "verdicts": 7})
    attempted: Any = from_object("attempted", {"tls_verified": 1})

    assert (scanned.revision, scanned.score, scanned.verdicts) == (0, 0.0, ())
    assert attempted.tls_verified is False


@pytest.mark.parametrize(("told", "read_as"), [(1e9, 0.0), (10**400, 0.0), (-1.5, -1.5), (3, 3.0)])
def test_a_score_is_a_number_of_a_size_that_a_score_can_have(told: float, read_as: float) -> None:
    scanned: Any = from_object("scanned", {"score": told})

    assert scanned.score == read_as


def test_each_field_is_cut_to_its_own_bound() -> None:
    long = "x" * 10_000
    accepted: Any = from_object("accepted", dict.fromkeys(("origin", "sender", "subject"), long))
    waiting: Any = from_object("waiting", {"next_us": TIME_US_MAX + 1, "recipients": [long]})
    scanned: Any = from_object("scanned", {"verdicts": [{"by": long, "threats": [long]}] * 100})

    assert len(accepted.origin) == LABEL_LENGTH_MAX
    assert len(accepted.sender) == NAME_LENGTH_MAX
    assert len(accepted.subject) == LINE_LENGTH_MAX
    assert waiting.next_us == TIME_US_MAX
    assert [len(one) for one in waiting.recipients] == [NAME_LENGTH_MAX]
    assert len(scanned.verdicts) == VERDICTS_MAX
    assert len(scanned.verdicts[0].by) == LABEL_LENGTH_MAX
    assert [len(one) for one in scanned.verdicts[0].threats] == [NAME_LENGTH_MAX]


def test_all_tests_that_a_filter_may_have_are_read_again() -> None:
    tests = [{"name": f"RULE_{number}"} for number in range(TESTS_MAX + 1)]
    scanned: Any = from_object("scanned", {"verdicts": [{"by": "rules", "tests": tests}]})

    assert len(scanned.verdicts[0].tests) == TESTS_MAX


def test_an_item_that_is_no_object_is_no_verdict() -> None:
    scanned: Any = from_object("scanned", {"verdicts": ["x", 7, {"by": "yara"}, None]})

    assert [asdict(one)["by"] for one in scanned.verdicts] == ["yara"]


def test_texts_are_cut_and_hold_no_nul() -> None:
    assert storable("a\0b" + "c" * 99, length_max=4) == "a\N{REPLACEMENT CHARACTER}bc"
    assert storable("\ud83d") == "?"


def test_numbers_stay_within_a_column() -> None:
    assert whole_number(-1) == 0
    assert whole_number(1 << 70) == (1 << 63) - 1
