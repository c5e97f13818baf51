"""Is each line found that begins with a dot, however many dots there are?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.dotted_line import OCTETS_PER_DOT, first_dotted_line

PIECES = st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"..", b"a", b"b" * OCTETS_PER_DOT])


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_it_is_the_first_place_of_the_three_octets(octets: bytes) -> None:
    assert first_dotted_line(octets) == octets.find(b"\r\n.")


@pytest.mark.parametrize("text", [b"a" * 4 * OCTETS_PER_DOT, b"a. b. " * OCTETS_PER_DOT])
def test_few_dots_before_it_and_many_make_no_difference(text: bytes) -> None:
    assert first_dotted_line(text + b"\r\n.") == len(text)
    assert first_dotted_line(text) == -1
    assert first_dotted_line(b"." + text) == -1, "its line break is for who has it to put there"
