"""Are the digests of copies of a mailing near to each other, and of others not?"""

from __future__ import annotations

import random

import pytest

from common.fuzzy import NEAR_MAX, distance, is_fuzzy, keys_of
from satellite.scanning.fuzzy_digest import fuzzy_of_file, fuzzy_of_text

WORDS = [a + b + c for a in ("ba", "to", "ri", "mu") for b in ("la", "ne", "so") for c in "bdfgk"]


def mailing(number: int, words: int = 150) -> str:
    drawn = random.Random(number)
    return " ".join(drawn.choice(WORDS) for _ in range(words))


TEXT = mailing(1)


@pytest.mark.parametrize(
    "copy",
    [
        f"Dear Anna,\n{TEXT}\nhttps://shop.example/c/83b1f2?u=anna order 4711",
        TEXT.upper(),
        TEXT.replace(" ", "  \n"),
        TEXT + " " + mailing(7, words=12),
        " ".join(TEXT.split()[75:] + TEXT.split()[:75]),
    ],
    ids=["name and link", "capitals", "breaks", "words at its end", "another order"],
)
def test_a_copy_with_small_changes_is_near_and_shares_a_key(copy: str) -> None:
    assert distance(fuzzy_of_text(TEXT), fuzzy_of_text(copy)) <= NEAR_MAX
    assert set(keys_of(fuzzy_of_text(TEXT))) & set(keys_of(fuzzy_of_text(copy)))


def test_another_mailing_of_the_same_words_is_far() -> None:
    others = [fuzzy_of_text(mailing(number)) for number in range(2, 30)]

    assert min(distance(fuzzy_of_text(TEXT), other) for other in others) > NEAR_MAX
    mine = set(keys_of(fuzzy_of_text(TEXT)))
    assert not any(mine & set(keys_of(other)) for other in others)


@pytest.mark.parametrize("text", ["", "thank you", "yes " * 500, "1 2 3 " * 500, "\ud800" * 99])
def test_what_says_too_little_has_none(text: str) -> None:
    assert fuzzy_of_text(text) == ""


def test_a_file_with_octets_put_in_is_near_and_another_is_far() -> None:
    one, other = random.Random(1).randbytes(20_000), random.Random(2).randbytes(20_000)

    assert distance(fuzzy_of_file(one), fuzzy_of_file(one[:500] + b"new" + one[500:])) < 0.1
    assert distance(fuzzy_of_file(one), fuzzy_of_file(other)) > 0.8
    assert fuzzy_of_file(b"\0" * 20_000) == ""


def test_the_same_digest_comes_from_every_node_and_every_version() -> None:
    known = fuzzy_of_text(" ".join(WORDS))

    assert is_fuzzy(known)
    # Another library, or another version of it, has to have another form: common.fuzzy.FORM.
    assert known[:35] == "m1:2412c4758768ededa2325af8e605b554"
