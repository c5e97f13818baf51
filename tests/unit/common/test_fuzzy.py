"""How near are two contents by their digests?"""

from __future__ import annotations

import pytest

from common.fuzzy import LENGTH, NEAR_MAX, VALUES, distance, fuzzy_digest, is_fuzzy, keys_of

SOME = fuzzy_digest(bytes(range(VALUES)))


def test_a_digest_has_its_form_and_its_length() -> None:
    assert SOME.startswith("m1:000102")
    assert len(SOME) == LENGTH
    assert is_fuzzy(SOME)


def test_the_distance_is_the_share_of_values_that_differ() -> None:
    other = fuzzy_digest(bytes([99, *range(1, VALUES - 1), 99]))

    assert distance(SOME, SOME) == 0.0
    assert distance(SOME, other) == 2 / VALUES < NEAR_MAX
    assert distance(SOME, fuzzy_digest(bytes(range(100, 100 + VALUES)))) == 1.0


@pytest.mark.parametrize("none", ["", "m2" + SOME[2:], SOME[:-2], SOME + "00", "m1:zz", "\0" * 131])
def test_what_is_no_digest_of_this_form_is_far_from_everything(none: str) -> None:
    assert distance(none, none) == distance(SOME, none) == 1.0
    assert keys_of(none) == ()


def test_near_contents_share_a_key_and_keys_know_their_place() -> None:
    near = fuzzy_digest(bytes([99, *range(1, VALUES)]))
    alike = fuzzy_digest(b"a" * VALUES)

    assert len(set(keys_of(SOME)) & set(keys_of(near))) == 7
    assert len(set(keys_of(alike))) == 8
