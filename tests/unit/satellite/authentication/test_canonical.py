"""Which octets of a message are signed?"""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.authentication.canonical import (
    CanonicalBody,
    HashedBody,
    WantedBody,
    canonical_field,
    hashed_bodies,
)

BODY = b" C \r\nD \t E\r\n\r\n\r\n"  # RFC 6376 section 3.4.5


def canonical(body: bytes, *, is_relaxed: bool, piece: int = 1_000) -> bytes:
    made = CanonicalBody(is_relaxed=is_relaxed)
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)]
    return b"".join([*map(made.feed, pieces), made.end()])


def test_fields_are_as_the_rfc_shows_them() -> None:
    one, two = b"A: X\r\n", b"B : Y\t\r\n\tZ  \r\n"

    assert canonical_field(one, is_relaxed=True) == b"a:X\r\n"
    assert canonical_field(two, is_relaxed=True) == b"b:Y Z\r\n"
    assert canonical_field(one, is_relaxed=False) == one
    assert canonical_field(two, is_relaxed=False) == two


@pytest.mark.parametrize("piece", [1, 2, 3, 100])
def test_bodies_are_as_the_rfc_shows_them(piece: int) -> None:
    assert canonical(BODY, is_relaxed=True, piece=piece) == b" C\r\nD E\r\n"
    assert canonical(BODY, is_relaxed=False, piece=piece) == b" C \r\nD \t E\r\n"


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" \t\r\n \r\n", b" \t\r\n \r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a  b ", b"a  b \r\n", b"a b\r\n"),
        (b"a\r", b"a\r\r\n", b"a\r\r\n"),
        (b"a\n\r\n", b"a\n\r\n", b"a\n\r\n"),
        (b"\r\n\r\na\r\n\r\n", b"\r\n\r\na\r\n", b"\r\n\r\na\r\n"),
    ],
)
def test_the_ends_of_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert canonical(body, is_relaxed=False) == simple
    assert canonical(body, is_relaxed=True) == relaxed


@given(st.text(alphabet="a \t\r\n", max_size=40), st.integers(1, 7), st.booleans())
def test_how_a_body_is_cut_changes_nothing(text: str, piece: int, is_relaxed: bool) -> None:
    body = text.encode()

    whole = canonical(body, is_relaxed=is_relaxed)

    assert canonical(body, is_relaxed=is_relaxed, piece=piece) == whole
    assert canonical(whole, is_relaxed=is_relaxed) == whole


def test_all_hashes_are_made_in_one_pass() -> None:
    wanted = [WantedBody(True), WantedBody(False), WantedBody(True, 4), WantedBody(True, 400)]

    found = hashed_bodies(iter([BODY[:5], BODY[5:]]), wanted)

    assert found == {
        wanted[0]: HashedBody(hashlib.sha256(b" C\r\nD E\r\n").digest(), True),
        wanted[1]: HashedBody(hashlib.sha256(b" C \r\nD \t E\r\n").digest(), True),
        wanted[2]: HashedBody(hashlib.sha256(b" C\r\n").digest(), False),
        wanted[3]: HashedBody(b"", True),  # no body of so many octets was signed
    }
