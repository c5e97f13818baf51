"""Which documents of filters does a node not go by, and why?"""

from __future__ import annotations

from typing import Any

import pytest

from common.preferences import Kind, Preferences
from common.settings.satellite import FilterSettings
from satellite.filtering.idle_documents import WatchedDocuments, idle_documents
from tests.support.core.preferences import document, preferences

RSPAMD = FilterSettings(name="rspamd", kind="rspamd", address="127.0.0.1:1")


def of(key: str, kind: str, **options: Any) -> Preferences:
    return preferences(document(Kind.FILTER, key, kind=kind, options=options))


def told(by: Preferences, *settings: FilterSettings) -> list[tuple[str, str, bool]]:
    return [(each.key, each.why, each.is_wrong) for each in idle_documents(by, settings)]


@pytest.mark.parametrize("kind", ["spoofing", "authentication", "volume", "checksums", "content"])
def test_an_option_that_nobody_knows_is_told_with_the_documents_key(kind: str) -> None:
    ((key, why, is_wrong),) = told(of("mine", kind, unheard_of=1.0))

    assert (key, is_wrong) == ("mine", True)
    assert "unheard_of" in why


def test_a_document_that_is_right_is_not_told_nor_one_that_is_switched_off() -> None:
    assert told(of("mine", "spoofing", people="Anna")) == []
    assert told(of("rspamd", "rspamd", factor=0.5), RSPAMD) == []
    off = document(Kind.FILTER, "mine", kind="spoofing", options={"x": 1.0}, enabled=False)
    assert told(preferences(off)) == []


def test_one_that_the_node_has_no_filter_for_is_no_fault_of_it() -> None:
    ((key, why, is_wrong),) = told(of("rspamd", "rspamd", factor=0.5))

    assert (key, is_wrong) == ("rspamd", False)
    assert "no filter of that name" in why


def test_one_of_another_kind_than_the_settings_say_is_wrong() -> None:
    ((_, why, is_wrong),) = told(of("rspamd", "dcc"), RSPAMD)

    assert is_wrong
    assert "of the kind dcc" in why


def test_only_the_first_document_of_authentication_counts_that_is_right() -> None:
    both = preferences(
        *(document(Kind.FILTER, key, kind="authentication") for key in ("a", "b")),
    )

    assert [(key, why) for key, why, _ in told(both)] == [
        ("b", "the kind authentication goes by a alone")
    ]


def test_an_operator_hears_of_those_in_force_until_they_are_mended() -> None:
    force = [of("mine", "spoofing", persn=1.0)]
    watched = WatchedDocuments([RSPAMD], lambda: force[0])

    (problem,) = watched.problems()
    force[0] = of("mine", "spoofing", person=1.0)

    assert problem.startswith("the filter document mine does nothing: unknown option 'persn'")
    assert watched.problems() == ()


def test_of_very_many_some_are_named_and_the_others_counted() -> None:
    many = preferences(
        *(document(Kind.FILTER, f"d{n}", kind="spoofing", options={"x": 1.0}) for n in range(20))
    )

    problems = WatchedDocuments([], lambda: many).problems()

    assert (len(problems), problems[-1]) == (9, "12 more do nothing")
