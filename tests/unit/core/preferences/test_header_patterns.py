"""Are there only so many header patterns as each message can be held against?"""

from __future__ import annotations

import pytest

from common.preferences import Document, DocumentRefused, Kind, Preferences
from core.preferences import header_patterns
from core.preferences.header_patterns import OF_SCOPE_MAX, refuse_many_header_patterns
from tests.support.core.preferences import at, document, preferences, tombstone


def patterns(scope: str, count: int) -> list[Document]:
    return [document(Kind.LIST, f"white/{scope}/header:List-Id:p{n}") for n in range(count)]


def test_a_scope_has_so_many_and_no_more() -> None:
    full = preferences(*patterns("cluster", OF_SCOPE_MAX))
    more = [document(Kind.LIST, "black/cluster/header:subject:one more")]

    refuse_many_header_patterns(full, list(full.documents()))
    with pytest.raises(DocumentRefused, match="more than 20 header patterns; join some"):
        refuse_many_header_patterns(full.applied(more, position=at(2)), more)


def test_another_kind_of_entry_is_taken_when_there_are_too_many() -> None:
    # One that came before the bound was lower must not stand in the way of everything else.
    full = preferences(*patterns("cluster", OF_SCOPE_MAX + 1))
    change = [document(Kind.LIST, "black/cluster/a.example"), *map(_gone, patterns("cluster", 3))]

    refuse_many_header_patterns(full.applied(change, position=at(2)), change)


def _gone(entry: Document) -> Document:
    return tombstone(Kind.LIST, entry.key.lower())


def test_all_scopes_together_have_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_patterns, "OF_ALL_MAX", 3)
    change = patterns("domain/a.example", 2) + patterns("domain/b.example", 2)
    made = Preferences().applied(change, position=at(1))

    with pytest.raises(DocumentRefused, match="more than 3 header patterns in all"):
        refuse_many_header_patterns(made, list(made.documents()))
