"""What does a DNS list's document say?"""

from __future__ import annotations

import pytest

from common.preferences.bodies import FilterBody
from satellite.filtering.list_terms import ListMistake, ListTerms, terms_of


def terms(**options: float | str | bool) -> ListTerms:
    body = FilterBody(kind="dnsbl", zone="zen.example", codes={"127.0.0.2": 4.0}, options=options)
    return terms_of(body)


@pytest.mark.parametrize(
    ("options", "listed", "unlisted"),
    [
        ({}, "2.0.0.127", "1.0.0.127"),
        ({"asks": "client,url"}, "2.0.0.127", "1.0.0.127"),
        ({"asks": "url"}, "test", "invalid"),
        ({"asks": "helo, sender-domain"}, "test", "invalid"),
        ({"asks": "url", "test": "dbltest.test"}, "dbltest.test", "invalid"),
        ({"asks": "url", "test": "127.0.0.2"}, "2.0.0.127", "invalid"),
        ({"asks": "url", "test": "none"}, None, "invalid"),
    ],
    ids=str,
)
def test_a_list_is_tested_by_the_entries_of_its_kind(
    options: dict[str, str], listed: str | None, unlisted: str
) -> None:
    found = terms(**options)

    assert (found.listed and found.listed[0]) == listed
    assert found.unlisted[0] == unlisted


@pytest.mark.parametrize("family", [6, 6.0])  # JSON from a store may have either
def test_a_list_of_ipv6_alone_is_tested_by_ipv6(family: float) -> None:
    found = terms(family=family)

    assert found.listed is not None
    assert found.listed[1] == "::ffff:7f00:2"
    assert found.unlisted[1] == "::ffff:7f00:1"


@pytest.mark.parametrize(
    "options",
    [{"family": 5}, {"asks": "client,all"}, {"errors": "10.0.0.1"}, {"test": "a b"}, {"more": 1},
     {"names": "some"}, {"answers": "words"}, {"share_max": 2.0}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_a_mistake_with_its_place(options: dict[str, float | str]) -> None:
    with pytest.raises(ListMistake) as caught:
        terms(**options)

    assert next(iter(options)) in str(caught.value)


def test_a_list_without_a_zone_is_a_mistake() -> None:
    with pytest.raises(ListMistake, match="no zone"):
        terms_of(FilterBody(kind="dnsbl"))
