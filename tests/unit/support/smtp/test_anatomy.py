"""Is a message taken apart without a single octet lost or moved?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.smtp import corpus
from tests.support.smtp.anatomy import CUTS_MAX, cuts, digest, gid_of, take_apart

_WIRE = st.lists(st.sampled_from([b"A: b", b" fold", b"\r\n", b"\r\n\r\n", b"x", b":", b"."]))


def _joined(data: bytes) -> bytes:
    anatomy = take_apart(data)
    return b"".join(anatomy.fields) + (b"\r\n" if anatomy.separated else b"") + anatomy.below


@pytest.mark.parametrize("name", corpus.names())
def test_the_pieces_of_each_message_of_the_corpus_make_the_whole(name: str) -> None:
    data = corpus.message(name)

    assert _joined(data) == data


@given(_WIRE.map(b"".join))
def test_the_pieces_of_anything_make_the_whole(data: bytes) -> None:
    assert _joined(data) == data


@pytest.mark.parametrize(
    ("data", "fields", "below"),
    [
        (b"A: 1\r\n b\r\nC:\r\n\r\nx\r\n", 2, b"x\r\n"),
        (b"\r\nx\r\n", 0, b"x\r\n"),
        (b"no field here\r\n\r\nx", 0, b"no field here\r\n\r\nx"),
        (b"A: 1\r\nstray text\r\n", 1, b"stray text\r\n"),
        (b" starts folded\r\n", 0, b" starts folded\r\n"),
        (b"A : 1\r\n", 1, b""),
        (b"", 0, b""),
    ],
)
def test_the_header_ends_where_a_line_is_no_field(data: bytes, fields: int, below: bytes) -> None:
    anatomy = take_apart(data)

    assert (len(anatomy.fields), anatomy.below) == (fields, below)


@given(st.integers(0, CUTS_MAX - 1), _WIRE.map(b"".join))
def test_lines_put_on_top_leave_the_originals_digest_among_the_cuts(
    added: int, rest: bytes
) -> None:
    original = b"X-BS-Test-Gid: g\r\n" + rest

    assert digest(original) in cuts(b"Received: x\r\n\ty\r\n" * added + original)


@given(_WIRE.map(b"".join), st.integers(0, 200))
def test_a_changed_octet_is_not_among_the_cuts(rest: bytes, place: int) -> None:
    original = b"X-BS-Test-Gid: g\r\n" + rest + b"end\r\n"
    place %= len(original)
    changed = original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :]

    assert digest(original) not in cuts(b"Received: x\r\n" + changed)


def test_the_mark_is_found_in_the_header_alone() -> None:
    assert gid_of(b"A: b\r\nx-bs-test-gid:  g-7 \r\n\r\n") == "g-7"
    assert gid_of(b"A: b\r\n\r\nX-BS-Test-Gid: g-7\r\n") == ""
