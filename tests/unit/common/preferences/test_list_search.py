"""How far are the lists searched for one message?"""

from __future__ import annotations

from collections.abc import Sequence

from common.preferences import Kind, Preferences
from common.preferences.list_entries import ListEntries
from common.preferences.list_search import ListSearch
from common.preferences.packed_entries import KeptEntry
from tests.support.core.preferences import at, document, preferences, route, tombstone

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

    def at(self, scope: str, pattern: str) -> Sequence[KeptEntry]:
        self.asked.append(pattern)
        return self._lists.at(scope, pattern)


def searched(*keys: str) -> tuple[ListSearch, Watched]:
    found = preferences(route(), *(document(Kind.LIST, key) for key in keys))
    watched = Watched(found)
    search = ListSearch(
        watched,  # type: ignore[arg-type]
        scopes=lambda recipient: map(str, reversed(found.scopes(recipient))),
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


def white_network(found: Preferences, *, now_us: int = 1) -> str:
    search = found.list_search(sender="", client_address="192.0.2.7", now_us=now_us)
    hit = search.white_network()
    return str(hit) if hit is not None else ""


def test_a_white_network_is_found_whosever_it_is_and_nothing_else_is() -> None:
    assert white_network(preferences(route())) == ""
    for key in (
        "black/cluster/192.0.2.0/24",
        "white/cluster/192.0.3.0/24",
        "white/cluster/2001:db8::/32",
        "white/cluster/sender.example",
    ):
        assert white_network(preferences(route(), document(Kind.LIST, key))) == ""
    for scope, network in (
        ("cluster", "192.0.2.0/24"),
        ("customer/acme", "192.0.0.0/16"),
        ("recipient/x@acme.example", "192.0.2.7/32"),
    ):
        found = preferences(route(), document(Kind.LIST, f"white/{scope}/{network}"))
        assert white_network(found) == f"white {scope} {network}"


def test_a_white_network_counts_while_it_stands() -> None:
    key = "white/domain/acme.example/192.0.2.0/24"
    ends = preferences(route(), document(Kind.LIST, key, until_us=10))
    removed = ends.applied([tombstone(Kind.LIST, key)], position=at(2))
    again = removed.applied([document(Kind.LIST, key)], position=at(3))

    assert white_network(ends, now_us=9)
    assert not white_network(ends, now_us=10)
    assert not white_network(removed)
    assert white_network(again)
