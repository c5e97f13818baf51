"""Is a record's content read within bounds, whatever it is?"""

from __future__ import annotations

import pytest

from common.records.bounds import storable, whole_number
from core.records.fields import Fields, FieldsUnreadable, parse_object


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
def test_what_is_no_plain_json_object_is_unreadable(data: bytes) -> None:
    with pytest.raises(FieldsUnreadable):
        parse_object(data)


def test_half_a_character_is_mended() -> None:
    assert parse_object(rb'{"a": "x\ud83dy", "b": "\u00e9"}') == {"a": "x?y", "b": "é"}


def test_values_of_another_type_read_as_nothing() -> None:
    fields = Fields({"text": 1, "number": "1", "flag": True, "items": {"a": 1}, "score": "x"})

    assert fields.text("text") == ""
    assert fields.number("number") == fields.number("flag") == fields.number("missing") == 0
    assert fields.items("items") == []
    assert fields.score("score") == 0.0


def test_texts_are_cut_and_hold_no_nul() -> None:
    assert storable("a\0b" + "c" * 99, length_max=4) == "a\N{REPLACEMENT CHARACTER}bc"
    assert storable("\ud83d") == "?"


def test_numbers_stay_within_a_column() -> None:
    assert whole_number(-1) == 0
    assert whole_number(1 << 70) == (1 << 63) - 1
