"""Are packed list entries those that were put in, however they came?"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.preferences import list_entries
from common.preferences.list_entries import ListEntries
from common.preferences.list_keys import cut_list_key
from common.preferences.packed_entries import BLOCK, KeptEntry, PackedEntries

SCOPES = ("cluster", "customer/acme", "domain/acme.example", "recipient/x/y@acme.example")
PATTERNS = ("a.example", ".a.example", "b@a.example", "192.0.2.0/24", "header:subject:a/b@c:d")

keys = st.builds(
    lambda colour, scope, pattern, number: f"{colour}/{scope}/{pattern}{number or ''}",
    st.sampled_from(["black", "white"]),
    st.sampled_from(SCOPES),
    st.sampled_from([pattern for pattern in PATTERNS if "/24" not in pattern]),
    st.integers(0, 20),
) | st.builds(
    lambda colour, scope, length: f"{colour}/{scope}/0.0.0.0/{length}",
    st.sampled_from(["black", "white"]),
    st.sampled_from(SCOPES),
    st.integers(0, 32),
)
entries = st.builds(
    KeptEntry, keys, st.integers(0, 2**63 - 1), st.binary(max_size=20) | st.just(b"")
)


def entry(key: str, revision: int = 1, body: bytes = b"{}") -> KeptEntry:
    return KeptEntry(key, revision, body)


def many(count: int) -> list[KeptEntry]:
    return [entry(f"white/domain/d{n:05}.example/p{n:05}.example") for n in range(count)]


def check(found: ListEntries, model: dict[str, KeptEntry], told: list[str]) -> None:
    alive = {key: kept for key, kept in model.items() if kept.body}
    assert list(found.since()) == [alive[key] for key in sorted(alive)]
    for key in told:
        colour, scope, pattern = cut_list_key(key)
        assert found.get(key) == alive.get(key)
        assert (alive.get(key) in found.at(scope, pattern)) == (key in alive)
        if key in alive:
            assert found.has_any()
            assert found.has_scope(scope)
            if colour == "white":
                assert found.at(scope, pattern)[0] == alive[key]
            if pattern.startswith("0.0.0.0/"):
                assert found.has_networks(scope)
                assert (4, int(pattern.partition("/")[2])) in found.lengths
    for scope in SCOPES:
        headers = {key for key in alive if cut_list_key(key)[1] == scope and "/header:" in key}
        assert set(found.header_keys(scope)) == headers


@pytest.fixture(autouse=True)
def soon_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_entries, "RECENT_MAX", 5)


@settings(max_examples=60)
@given(st.lists(entries, max_size=60), st.lists(st.lists(entries, max_size=9), max_size=12))
def test_any_history_leaves_what_a_dictionary_would_hold(
    first: list[KeptEntry], changes: list[list[KeptEntry]]
) -> None:
    model = {each.key: each for each in first if each.body}
    found = ListEntries.of([each for each in first if each.body])
    told = list(model)
    check(found, model, told)

    for change in changes:
        before, was = found, dict(model)
        found = found.changed(change)
        model.update({each.key: each for each in change})
        told += [each.key for each in change]
        check(found, model, told)
        check(before, was, told)  # what was, is not touched


def test_what_is_removed_is_gone_from_the_packed_sets_too() -> None:
    found = ListEntries.of(many(40))

    for each in many(40):
        found = found.changed([each._replace(body=b"")])
    found = found.changed([entry(f"black/cluster/{n}.example") for n in range(60)])

    assert all(each.key.startswith("black/") for each in found.since())
    assert not any(found.get(each.key) for each in many(40))


def test_only_a_change_that_fills_the_dictionary_takes_long() -> None:
    found = ListEntries.of(many(100))

    assert found.is_quick(5)
    assert not found.is_quick(6)
    assert not found.changed(many(3)).is_quick(3)


def test_a_million_in_sets_means_few_sets() -> None:
    found = ListEntries.of(many(1_000))
    for number in range(300):
        found = found.changed([entry(f"black/cluster/{number}.example")])

    assert len(found._packed) <= 5


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 10 * BLOCK])
def test_each_of_any_number_is_found(count: int) -> None:
    packed = PackedEntries(many(count))

    assert packed.count == count
    assert list(packed.since("")) == many(count)
    for each in many(count):
        assert packed.get(each.key) == each
        assert next(packed.since(each.key)) == each
        assert packed.may_have(f"domain/{each.key.split('/')[2]}")
    assert packed.get("white/domain/d00000.example/nothing.example") is None
    assert packed.at("cluster/p00000.example") == []


def test_entries_whose_hashes_are_alike_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.preferences.packed_entries.hash", lambda _: 7, raising=False)
    found = PackedEntries(many(50))

    assert [found.get(each.key) for each in many(50)] == many(50)
    assert found.get("white/domain/d99999.example/p99999.example") is None


def test_hardly_a_scope_without_an_entry_is_searched() -> None:
    packed = PackedEntries(many(2_000))

    wrong = sum(packed.may_have(f"recipient/r{n}@other.example") for n in range(2_000))
    assert wrong < 2_000 * 0.3
