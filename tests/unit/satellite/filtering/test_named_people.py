"""Which display names pretend to be one of the people?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.filtering.look_alike import skeleton
from satellite.filtering.named_people import (
    WORD_LENGTH_MAX,
    NamedPeople,
    NamedPerson,
    parse_people,
)

TEXT = 'Anna Meier <Anna@home.example>; "Jörg  Groß"\nPresident;; Anna Meier <a@b.example>'
PEOPLE = NamedPeople(parse_people(TEXT))


def test_a_list_is_read() -> None:
    assert parse_people(TEXT) == [
        NamedPerson("Anna Meier", frozenset({"anna@home.example", "a@b.example"})),
        NamedPerson("Jörg Groß"),
        NamedPerson("President"),
    ]


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("Anna Meier", "Anna Meier"),
        ("Meier, Anna", "Anna Meier"),
        ("ANNA MEIER (CEO)", "Anna Meier"),
        ("Аnnа Меіer", "Anna Meier"),
        ("Anna Meier via Lists", "Anna Meier"),
        ("Jorg Gross", "Jörg Groß"),
        ("president", "President"),
    ],
)
def test_whoever_is_shown_as_one_of_them_pretends(shown: str, name: str) -> None:
    found = PEOPLE.pretended(shown, "x@evil.example")

    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("shown", "address"),
    [
        ("Anna", "x@evil.example"),
        ("Anna Maier-Huber", "x@evil.example"),
        ("President of the Board", "x@evil.example"),
        ("Anna Meier", "ANNA@home.example"),
        ("", "x@evil.example"),
        ("Annameier", "x@evil.example"),
    ],
)
def test_others_and_their_own_addresses_do_not(shown: str, address: str) -> None:
    assert PEOPLE.pretended(shown, address) is None


@given(st.text(max_size=80), st.text(max_size=40))
def test_no_list_and_no_name_breaks_it(text: str, shown: str) -> None:
    NamedPeople(parse_people(text)).pretended(shown, "x@y")


def test_of_a_word_without_end_its_beginning_is_compared() -> None:
    skeleton.cache_clear()

    NamedPeople([]).pretended("x" * 8_000, "somebody@else.example")

    assert skeleton.cache_info().currsize == 1
    skeleton("x" * WORD_LENGTH_MAX)
    assert skeleton.cache_info().hits == 1
