"""Which text does a raw value stand for?"""

from __future__ import annotations

import unicodedata
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.headers.encoded_words import (
    _CHARSETS,
    RAW_BYTES_MAX,
    TEXT_LENGTH_MAX,
    decoded_text,
)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b" hello", "hello"),
        (b" =?utf-8?q?caf=C3=A9_au_lait?=", "café au lait"),
        (b" =?UTF-8?B?w6k=?= tail", "é tail"),
        (b" =?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b" =?utf-8?q?a?=\r\n =?iso-8859-1?q?=E9?=", "aé"),
        (b" =?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"),
        (b" =?utf-8*en?q?a?=", "a"),
        (b" folded\r\n over\r\n\tlines", "folded over lines"),
        ("grüße".encode(), "grüße"),
        ("grüße".encode("latin-1"), "grüße"),
        (b" =?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        (b" =?utf-8?b?!?=", ""),
        (b" =?koi8-r?b?8NLJ18XU?=", "Привет"),
        (b" =?gb2312?b?xOO6ww==?=", "你好"),
    ],
)
def test_a_raw_value_becomes_its_text(raw: bytes, text: str) -> None:
    assert decoded_text(raw) == text


def test_a_character_split_between_two_encoded_words_is_put_together() -> None:
    assert decoded_text(b"=?utf-8?q?=C3?= =?utf-8?q?=A9?=") == "é"


def test_line_breaks_hidden_in_an_encoded_word_do_not_come_out() -> None:
    assert decoded_text(b"=?utf-8?q?a=0D=0ABcc:_x=00=1B[2J?=") == "aBcc: x[2J"


def test_overrides_of_direction_do_not_come_out() -> None:
    assert decoded_text("\u202egpj.exe\u2066\u200f".encode()) == "gpj.exe"


def test_a_codec_that_is_no_character_set_is_not_used() -> None:
    assert decoded_text(b"=?unicode_escape?q?=5Cx41?=") == "\\x41"
    assert decoded_text(b"=?utf-7?q?+AGEAYg-?=") == "+AGEAYg-"
    assert decoded_text(b"=?zlib?q?ab?=") == "ab"


@pytest.mark.parametrize("codec", sorted(set(_CHARSETS.values())))
def test_python_knows_every_codec_of_the_table(codec: str) -> None:
    assert b"ok".decode(codec) == "ok"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=60))
def test_what_another_program_encodes_is_read_back(text: str) -> None:
    raw = Header(text, "utf-8", maxlinelen=60).encode().encode("ascii")

    assert decoded_text(raw) == text


@given(
    st.binary(max_size=400)
    | st.lists(
        st.sampled_from([b"=?", b"?=", b"utf-8", b"?q?", b"?b?", b"=C3", b" ", b"\r\n ", b"w6k"]),
        max_size=60,
    ).map(b"".join)
)
def test_any_octets_become_harmless_text(raw: bytes) -> None:
    text = decoded_text(raw)

    assert len(text) <= TEXT_LENGTH_MAX
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text)


def test_a_row_of_openings_is_read_in_no_time() -> None:
    hostile = b"=?a?q?" * (RAW_BYTES_MAX // 6) * 40

    assert len(decoded_text(hostile)) == TEXT_LENGTH_MAX
