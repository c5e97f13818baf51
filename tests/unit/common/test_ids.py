"""Are ids in order, and can none of them name a file that it must not?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.ids import ULID_RANDOM_BYTES, is_ulid, ulid, ulid_ms

times = st.integers(0, (1 << 48) * 1000 - 1)
randomness = st.binary(min_size=ULID_RANDOM_BYTES, max_size=ULID_RANDOM_BYTES)


def test_the_example_of_the_specification_comes_out() -> None:
    assert ulid(now_us=1_469_918_176_385_000, randomness=bytes(10)) == "01ARYZ6S41" + "0" * 16


@given(st.integers(0, (1 << 48) * 1000 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_holds_the_time_at_which_it_was_made(now_us: int, octets: bytes) -> None:
    assert ulid_ms(ulid(now_us=now_us, randomness=octets)) == now_us // 1000


@given(times, randomness)
def test_every_id_has_the_shape_of_one(now_us: int, octets: bytes) -> None:
    assert is_ulid(ulid(now_us=now_us, randomness=octets))


@given(times, times, randomness, randomness)
def test_a_later_id_sorts_after_an_earlier_one(a: int, b: int, one: bytes, two: bytes) -> None:
    earlier, later = sorted((a, b))

    if earlier // 1000 < later // 1000:
        assert ulid(now_us=earlier, randomness=one) < ulid(now_us=later, randomness=two)


@given(times, randomness, randomness)
def test_other_randomness_makes_another_id(now_us: int, one: bytes, two: bytes) -> None:
    same = ulid(now_us=now_us, randomness=one) == ulid(now_us=now_us, randomness=two)

    assert same == (one == two)


@pytest.mark.parametrize(
    "text",
    ["", "../../etc/passwd", "01ARYZ6S41" + "0" * 15, "01ARYZ6S41" + "0" * 17,
     "81ARYZ6S41" + "0" * 16, "01aryz6s41" + "0" * 16, "01ARYZ6S4I" + "0" * 16,
     "01ARYZ6S41" + "0" * 16 + "\n"],
)  # fmt: skip
def test_anything_else_is_none(text: str) -> None:
    assert not is_ulid(text)
