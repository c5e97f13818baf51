"""xtext comes back as it was, and nothing that cannot be shown comes out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import xtext


@given(text=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1))
def test_printable_text_comes_back(text: str) -> None:
    encoded = xtext.encoded(text)

    assert xtext.decoded(encoded) == (None if text.isspace() else text)
    assert not set(encoded) & set(" =")


@given(text=st.text(max_size=50))
def test_only_printable_ascii_comes_out(text: str) -> None:
    decoded = xtext.decoded(text)

    assert decoded is None or (decoded.isascii() and decoded.isprintable())


@pytest.mark.parametrize("text", ["", "a=b", "a b", "a+", "a+4", "a+4g", "a+4b", "+0A", "+80", "é"])
def test_what_is_no_xtext_is_none(text: str) -> None:
    assert xtext.decoded(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [("m+C3+BCller", "müller"), ("a+tag", "a+tag"), ("grü", "grü"), ("a+c3", ""), ("a+2b", "a+")],
)
def test_what_somebody_meant_who_writes_no_xtext_is_found_where_it_is_clear(
    text: str, meant: str
) -> None:
    assert xtext.loosely_decoded(text) == meant


@given(address=st.text(min_size=1, max_size=40))
def test_an_embedded_address_is_one_when_all_of_it_can_be_shown(address: str) -> None:
    embedded = xtext.embedded(address)

    assert embedded.isascii()
    assert xtext.is_embedded(embedded) is address.isprintable()
