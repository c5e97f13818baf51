"""How far are the lists searched for one message?"""

from __future__ import annotations

from common.preferences import Kind, Preferences
from common.preferences.list_entries import ListEntries
from common.preferences.list_search import ListSearch
from common.preferences.packed_entries import KeptEntry
from tests.support.core.preferences import document, preferences, route

SENDER = "a@mail.sender.example"
RECIPIENT = "x@acme.example"


class Watched:
    """Entries that take note of what they are asked for.

    Args:
        found: has them.
    """

    def __init__(self, found: Preferences) -> None:
        self._lists: ListEntries = found._lists
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._lists, name)

    def at(self, scope: str, pattern: str) -> list[KeptEntry]:
        self.asked.append(pattern)
        return self._lists.at(scope, pattern)


def searched(*keys: str) -> tuple[ListSearch, Watched]:
    found = preferences(route(), *(document(Kind.LIST, key) for key in keys))
    watched = Watched(found)
    search = ListSearch(
        watched,  # type: ignore[arg-type]
        scopes=found.scopes,
        sender=SENDER,
        client_address="192.0.2.7",
        now_us=1,
    )
    return search, watched


def test_nothing_is_looked_for_behind_the_entry_that_decides() -> None:
    search, watched = searched(f"white/cluster/{SENDER}", "black/cluster/.example")

    hit = search.hit(RECIPIENT)

    assert hit is not None and hit.pattern == SENDER
    assert watched.asked == [SENDER]


def test_whoever_wants_more_gets_the_next_and_nothing_is_searched_twice() -> None:
    search, watched = searched(f"white/cluster/{SENDER}", "black/cluster/.example")

    for _ in range(2):
        assert [hit.pattern for hit in search.hits(RECIPIENT)] == [SENDER, ".example"]
    again = [hit.pattern for hit in search.hits("y@acme.example")]

    assert again == [SENDER, ".example"]
    assert len(watched.asked) == len(set(watched.asked))
