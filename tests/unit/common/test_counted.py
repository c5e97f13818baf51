"""Does a number have the noun that goes with it?"""

from __future__ import annotations

import pytest

from common.counted import counted


@pytest.mark.parametrize(
    ("count", "nouns", "text"),
    [
        (1, ("message",), "1 message"),
        (0, ("message",), "0 messages"),
        (2, ("message",), "2 messages"),
        (1, ("copy", "copies"), "1 copy"),
        (3, ("copy", "copies"), "3 copies"),
        (1, ("domain has", "domains have"), "1 domain has"),
        (-1, ("day",), "-1 days"),
    ],
)
def test_one_is_singular_and_all_else_plural(count: int, nouns: tuple[str, ...], text: str) -> None:
    assert counted(count, *nouns) == text
