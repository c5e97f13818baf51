"""Which list entries are there at one revision, and how does the next one come of them?

Pure. A ``ListEntries`` never changes; a change makes a new one that shares nearly everything with
it, so that a revision costs what it changes, whether there are ten entries or a million. What came
last stands in a small dictionary; when that is full it is packed, and packed sets are joined so
that each is a quarter of the one before it at most.
"""

from __future__ import annotations

import heapq
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from common.preferences.list_keys import (
    ListColour,
    cut_list_key,
    is_header_pattern,
    is_network_pattern,
)
from common.preferences.packed_entries import KeptEntry, PackedEntries

RECENT_MAX = 1_024  # entries not packed yet: a revision copies as many references
_JOIN_AT = 4  # a packed set is joined with the one before it unless that is so many times larger

_COLOURS = tuple(map(str, ListColour))  # a member's own text is dear to ask for
_NONE: Sequence[KeptEntry] = ()

Lengths = tuple[tuple[int, int], ...]  # (IP version, prefix length), the longest first


class ListEntries:
    """The list entries of one revision."""

    __slots__ = (
        "_headers",
        "_packed",
        "_recent",
        "_recent_scopes",
        "_recent_white_networks",
        "lengths",
    )

    def __init__(self) -> None:
        self._packed: tuple[PackedEntries, ...] = ()  # the oldest first; later ones count
        self._recent: dict[str, KeptEntry] = {}  # by key; counts before all that is packed
        self._recent_scopes: frozenset[str] = frozenset()
        self._headers: Mapping[str, frozenset[str]] = {}  # scope → keys of its header patterns
        self.lengths: Lengths = ()
        self._recent_white_networks: dict[str, list[str]] | None = None  # keys; None: not looked

    @classmethod
    def of(cls, entries: Iterable[KeptEntry]) -> Self:
        """Return exactly these entries; of two with the same key the later one.

        In the order of their keys they take the time of one pass, in another several times that.
        """
        made = cls()
        late: dict[str, KeptEntry] = {}
        packed = PackedEntries(made._noted(_in_order(entries, late)))
        if packed.count:
            made._packed = (packed,)
        return made.changed(late.values()) if late else made

    def changed(self, changes: Iterable[KeptEntry]) -> Self:
        """Return the entries after some were set, and those with an empty body removed."""
        made = type(self)()
        made._packed, made._headers, made.lengths = self._packed, self._headers, self.lengths
        made._recent = dict(self._recent)
        for entry in made._noted(changes):
            made._recent[entry.key] = entry
        if len(made._recent) > RECENT_MAX:
            made._pack()
        else:
            added = (cut_list_key(key)[1] for key in made._recent.keys() - self._recent.keys())
            made._recent_scopes = self._recent_scopes.union(added)
        return made

    def is_quick(self, changes_count: int) -> bool:
        """Say whether so many changes need no packing: they take microseconds each."""
        return len(self._recent) + changes_count <= RECENT_MAX

    def has_any(self) -> bool:
        """Say whether there may be an entry at all."""
        return bool(self._packed or self._recent)

    def has_scope(self, scope: str) -> bool:
        """Say whether there may be an entry of a scope; False: there is none."""
        if scope in self._recent_scopes:
            return True
        for each in self._packed:  # noqa: SIM110 - any() would cost more than what it asks for
            if each.may_have(scope):
                return True
        return False

    def has_networks(self, scope: str) -> bool:
        """Say whether there may be an entry of a scope that names a network."""
        if scope in self._recent_scopes:
            return True
        for each in self._packed:  # noqa: SIM110 - as above
            if each.may_have_networks(scope):
                return True
        return False

    def at(self, scope: str, pattern: str) -> Sequence[KeptEntry]:
        """Return the entries of one scope and pattern, the white one first."""
        place = f"{scope}/{pattern}"
        hashed = hash(place)
        found: dict[str, KeptEntry] = {}
        for packed in self._packed:
            if packed.may_have_at(hashed):
                for entry in packed.at(place):
                    found[entry.key] = entry
        if self._recent:
            for colour in _COLOURS:
                recent = self._recent.get(f"{colour}/{place}")
                if recent is not None:
                    found[recent.key] = recent
        if not found:
            return _NONE
        if len(found) == 1:
            return [entry for entry in found.values() if entry.body]
        return [found[key] for key in sorted(found, reverse=True) if found[key].body]

    def white_networks(self, pattern: str) -> Iterator[KeptEntry]:
        """Return the white entries of all scopes that name exactly this network."""
        for key in self._of_recent(pattern):
            entry = self._recent[key]
            if entry.body:
                yield entry
        for packed in self._packed:
            for older in packed.white_networks(pattern):
                current = None if older.key in self._recent else self.get(older.key)
                if current is not None:
                    yield current

    def get(self, key: str) -> KeptEntry | None:
        """Return the entry of a key in canonical form, or None."""
        found = self._recent.get(key)
        for packed in reversed(self._packed):
            if found is not None:
                break
            found = packed.get(key)
        return found if found is not None and found.body else None

    def header_keys(self, scope: str) -> list[str]:
        """Return the keys of a scope's header patterns: white ones first, then by pattern."""
        keys = self._headers.get(scope, ())
        return sorted(keys, key=lambda key: (key.startswith(ListColour.BLACK), key))

    def header_counts(self) -> dict[str, int]:
        """Return how many header patterns each scope has that has one."""
        return {scope: len(keys) for scope, keys in self._headers.items()}

    def since(self, key: str = "") -> Iterator[KeptEntry]:
        """Return the entries from a key on, in their order."""
        recent = sorted(entry for entry in self._recent.values() if entry.key >= key)
        return _joined([*(packed.since(key) for packed in self._packed), recent])

    # ---- inside

    def _of_recent(self, network: str) -> list[str]:
        """Return the keys of the recent white entries that name a network."""
        if self._recent_white_networks is None:
            known = self._recent_white_networks = {}
            for key in self._recent:
                colour, _, pattern = cut_list_key(key)
                if colour == ListColour.WHITE and is_network_pattern(pattern):
                    known.setdefault(pattern, []).append(key)
        return self._recent_white_networks.get(network, [])

    def _noted(self, entries: Iterable[KeptEntry]) -> Iterator[KeptEntry]:
        """Pass entries on, and keep in mind what their patterns ask for."""
        lengths = set(self.lengths)
        touched: dict[str, set[str]] = {}
        for entry in entries:
            _, scope, pattern = cut_list_key(entry.key)
            if is_network_pattern(pattern):
                network = ipaddress.ip_network(pattern)
                lengths.add((network.version, network.prefixlen))
            elif is_header_pattern(pattern):
                if scope not in touched:
                    touched[scope] = set(self._headers.get(scope, ()))
                (touched[scope].add if entry.body else touched[scope].discard)(entry.key)
            yield entry
        if touched:
            changed = dict(self._headers) | {s: frozenset(keys) for s, keys in touched.items()}
            self._headers = {scope: keys for scope, keys in changed.items() if keys}
        if len(lengths) != len(self.lengths):
            self.lengths = tuple(sorted(lengths, reverse=True))

    def _pack(self) -> None:
        """Pack what came last, and join sets that are near in size."""
        recent = sorted(self._recent.values())
        if not self._packed:
            recent = [entry for entry in recent if entry.body]
        sets = [*self._packed, PackedEntries(recent)]
        self._recent = {}
        while len(sets) > 1 and sets[-1].count * _JOIN_AT >= sets[-2].count:
            older, newer = sets[-2:]
            joined = _joined([older.since(""), newer.since("")], with_removed=len(sets) > 2)
            sets[-2:] = [PackedEntries(joined)]
        self._packed = tuple(each for each in sets if each.count)


def _in_order(entries: Iterable[KeptEntry], late: dict[str, KeptEntry]) -> Iterator[KeptEntry]:
    """Return the entries that come in the order of their keys; the others are put aside."""
    last = ""
    for entry in entries:
        if entry.key > last:
            last = entry.key
            yield entry
        else:
            late[entry.key] = entry


def _joined(
    sources: list[Iterable[KeptEntry]], *, with_removed: bool = False
) -> Iterator[KeptEntry]:
    """Return the last word on each entry, by key.

    Args:
        sources: each sorted by key, the oldest first.
        with_removed: pass on those that are removed: an older set has them still.
    """
    ranked = [_ranked(-number, source) for number, source in enumerate(sources)]
    last = ""
    for key, _, entry in heapq.merge(*ranked):
        if key != last:
            last = key
            if with_removed or entry.body:
                yield entry


def _ranked(rank: int, source: Iterable[KeptEntry]) -> Iterator[tuple[str, int, KeptEntry]]:
    return ((entry.key, rank, entry) for entry in source)
