"""Do the stretches of base64 come to what all of it comes to at once?"""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satellite.scanning.decoding import base64_stretches, from_base64

CONTENT = bytes(range(256)) * 700
IN_LINES = base64.encodebytes(CONTENT).replace(b"\n", b"\r\n")
ODD_LINES = b"\r\n".join(
    IN_LINES.replace(b"\r\n", b"")[at : at + 75] for at in range(0, 90_000, 75)
)
PIECES = st.sampled_from([IN_LINES, IN_LINES[:40_000], ODD_LINES, b"=", b"==\r\n", b"A", b"-- \n"])


@pytest.mark.parametrize("lines", [IN_LINES, IN_LINES.replace(b"\r\n", b""), b""])
def test_a_file_comes_out_whole(lines: bytes) -> None:
    octets = b"before" + lines + b"behind"

    content = b"".join(base64_stretches(octets, 6, 6 + len(lines)))

    assert content == (CONTENT if lines else b"")


def test_a_large_file_comes_in_stretches() -> None:
    assert len(list(base64_stretches(IN_LINES, 0, len(IN_LINES)))) > 5


@settings(max_examples=30)
@given(st.lists(PIECES, max_size=6).map(b"".join))
def test_padding_odd_lines_and_other_signs_come_to_the_same(octets: bytes) -> None:
    assert b"".join(base64_stretches(octets, 0, len(octets))) == from_base64(octets)


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([b"QUJD", b"QR", b"=", b"==", b"\r\n", b"\n", b" ", b"!", b"\x80", b"Q"]),
        max_size=12,
    ).map(b"".join)
)
def test_the_quick_decoder_says_what_the_standard_one_says(octets: bytes) -> None:
    try:
        expected = binascii.a2b_base64(octets)
    except binascii.Error:
        return  # what signs that are missing come to is ours to say

    assert from_base64(octets) == expected
