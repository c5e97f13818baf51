"""How are a million list entries kept so that one is found at once, in little memory?

Pure. A set of entries that never changes. In the order of their keys they stand in small compressed
blocks; a table in the order of a hash leads to them, nine octets an entry. Only what the table
leads to is unpacked: what no entry is about costs half a microsecond. A bitmap says beside, for
nearly every scope that has no entry at all, that it has none.

A block is deflated with the fixed codes of RFC 1951 section 3.2.6, and against the words that
nearly every entry has. Codes of a block's own are a tenth shorter, and to build their tables takes
most of the time in which so small a block is unpacked (7 µs for 16 entries, against 2 for 8).

Measured (docs/filters.md, *lists*): 60 to 70 octets an entry, where one of Python's objects for
each took 600.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from common.preferences.list_keys import ListColour, cut_list_key, is_network_pattern

BLOCK = 8  # entries packed together: twice as many save a tenth, and take twice as long to unpack
_BITMAP_BITS_MIN = 10  # 1 KiB: of a handful of entries hardly one looks like another
_BUCKET = 4  # entries that share a place in the table, on average
_HEAD = struct.Struct("<QII")  # revision, length of the key, length of the body
_HEAD_BYTES = _HEAD.size
_END = struct.Struct("<I")  # the last field of a head: where its entry ends
_LOW = 0xFFFFFFFF
_RAW = -zlib.MAX_WBITS  # without a header and a sum: it never leaves the memory
_USUAL = (  # at its end what most have
    b'customer/domain/.exampleblack/recipient/.com.org.net{"added_us":179,"by":"","reason":"",'
    b'"until_us":0}white/cluster/'
)


class KeptEntry(NamedTuple):
    """One list entry as it is kept. A tuple, since there may be a million on their way.

    Args:
        key: COLOUR/SCOPE/PATTERN, canonical.
        revision: that set or removed it.
        body: its octets; empty: it is removed.
    """

    key: str
    revision: int
    body: bytes


class PackedEntries:
    """Entries in the order of their keys, packed; made once.

    Args:
        entries: sorted by key, each key once. They are read once, and not kept.
    """

    __slots__ = ("_blocks", "_places", "_scopes", "_white_networks", "count", "may_have_at")

    def __init__(self, entries: Iterable[KeptEntry]) -> None:
        self._blocks: list[bytes] = []
        hashes = array("q")
        scopes = array("q")
        networks, numbers = array("q"), array("I")  # what white ones name, whosever they are
        block: list[KeptEntry] = []
        for entry in entries:
            place = entry.key.partition("/")[2]
            hashes.append(hash(place))
            colour, scope, pattern = cut_list_key(entry.key)
            scopes.append(hash(scope))
            if is_network_pattern(pattern):
                scopes.append(hash((scope,)))
                if colour == ListColour.WHITE:
                    networks.append(hash(pattern))
                    numbers.append(len(hashes) - 1)
            block.append(entry)
            if len(block) == BLOCK:
                self._blocks.append(_packed(block))
                block = []
        if block:
            self._blocks.append(_packed(block))
        self.count = len(hashes)
        self._places = _HashTable(hashes)
        self.may_have_at = self._places.may_have  # of SCOPE/PATTERN, given its hash
        self._white_networks = _HashTable(networks, numbers)
        self._scopes = _Bitmap(scopes)

    def may_have(self, scope: str) -> bool:
        """Say whether there may be an entry of a scope; False: there is none."""
        return hash(scope) in self._scopes

    def may_have_networks(self, scope: str) -> bool:
        """Say whether there may be an entry of a scope that names a network."""
        return hash((scope,)) in self._scopes

    def at(self, place: str) -> list[KeptEntry]:
        """Return the entries, one a colour at most, of SCOPE/PATTERN."""
        found = []
        for number in self._places.numbers(hash(place)):
            entry = _entry_in(
                zlib.decompressobj(_RAW, _USUAL).decompress(self._blocks[number // BLOCK]),
                number % BLOCK,
            )
            if entry.key[entry.key.find("/") + 1 :] == place:
                found.append(entry)
        return found

    def white_networks(self, pattern: str) -> Iterator[KeptEntry]:
        """Return the white entries of all scopes that name exactly this network."""
        for number in self._white_networks.numbers(hash(pattern)):
            entry = self._entry(number)
            if cut_list_key(entry.key)[2] == pattern:
                yield entry

    def get(self, key: str) -> KeptEntry | None:
        """Return the entry of a key, or None."""
        found = self.at(key.partition("/")[2])
        return next((entry for entry in found if entry.key == key), None)

    def since(self, key: str) -> Iterator[KeptEntry]:
        """Return the entries from a key on, in their order."""
        low, high = 0, len(self._blocks)  # the last block that begins at or before the key
        while high - low > 1:
            middle = (low + high) // 2
            if self._unpacked(middle)[0].key <= key:
                low = middle
            else:
                high = middle
        for number in range(low, len(self._blocks)):
            yield from (entry for entry in self._unpacked(number) if entry.key >= key)

    # ---- inside

    def _entry(self, number: int) -> KeptEntry:
        return _entry_in(_octets(self._blocks[number // BLOCK]), number % BLOCK)

    def _unpacked(self, number: int) -> list[KeptEntry]:
        octets = _octets(self._blocks[number])
        return [_entry_in(octets, place) for place in range(octets[0])]


def _packed(entries: list[KeptEntry]) -> bytes:
    parts = [bytes((len(entries),))]
    texts = [(entry.key.encode(), entry.body) for entry in entries]
    end = 0
    for entry, (key, body) in zip(entries, texts, strict=True):
        parts.append(_HEAD.pack(entry.revision, end + len(key), end + len(key) + len(body)))
        end += len(key) + len(body)
    for key, body in texts:
        parts += (key, body)
    packing = zlib.compressobj(wbits=_RAW, strategy=zlib.Z_FIXED, zdict=_USUAL)
    return packing.compress(b"".join(parts)) + packing.flush()


def _octets(block: bytes) -> bytes:
    return zlib.decompressobj(_RAW, _USUAL).decompress(block)


def _entry_in(octets: bytes, place: int) -> KeptEntry:
    data = 1 + octets[0] * _HEAD_BYTES
    at = 1 + place * _HEAD_BYTES
    began = data + _END.unpack_from(octets, at - _END.size)[0] if place else data
    revision, key_end, body_end = _HEAD.unpack_from(octets, at)
    key_end += data
    return KeptEntry(
        str(octets[began:key_end], "utf-8"), revision, octets[key_end : data + body_end]
    )


class _HashTable:
    """Where the entries of a hash stand: rows in the order of the low bits of their hashes.

    Args:
        hashes: of 64 bits.
        numbers: of the entries, one for each hash; None: they are counted from 0.
    """

    __slots__ = ("_fingerprints", "_mask", "_numbers", "_starts")

    def __init__(self, hashes: array[int], numbers: array[int] | None = None) -> None:
        # By counting, not by sorting: a sort of a million is one step for the interpreter, and
        # everything else in the process would wait for it.
        buckets = 1 << max(0, (len(hashes) // _BUCKET).bit_length())
        mask = self._mask = buckets - 1
        starts = self._starts = array("I", bytes(4 * (buckets + 1)))
        for hashed in hashes:
            starts[(hashed & mask) + 1] += 1
        for bucket in range(buckets):
            starts[bucket + 1] += starts[bucket]
        places = array("I", starts)
        self._fingerprints = array("I", bytes(4 * len(hashes)))
        self._numbers = array("I", bytes(4 * len(hashes)))
        for number, hashed in zip(
            range(len(hashes)) if numbers is None else numbers, hashes, strict=True
        ):
            bucket = hashed & mask
            index = places[bucket]
            places[bucket] = index + 1
            self._fingerprints[index] = (hashed >> 32) & _LOW
            self._numbers[index] = number

    def may_have(self, hashed: int) -> bool:
        """Say whether there may be an entry of a hash; False: there is none."""
        bucket = hashed & self._mask
        first, end = self._starts[bucket], self._starts[bucket + 1]
        return first != end and (hashed >> 32) & _LOW in self._fingerprints[first:end]

    def numbers(self, hashed: int) -> list[int]:
        """Return the numbers of the entries that may have a hash."""
        bucket = hashed & self._mask
        first, end = self._starts[bucket], self._starts[bucket + 1]
        fingerprint = (hashed >> 32) & _LOW
        return [
            number
            for mark, number in zip(
                self._fingerprints[first:end], self._numbers[first:end], strict=True
            )
            if mark == fingerprint
        ]


class _Bitmap:
    """Which hashes may have been seen: never wrong where it says no, seldom where it says yes."""

    __slots__ = ("_bits", "_mask")

    def __init__(self, hashes: array[int]) -> None:
        octets = 1 << max(_BITMAP_BITS_MIN, len(hashes).bit_length())
        self._mask = octets * 8 - 1
        bits = self._bits = bytearray(octets)
        for hashed in hashes:
            bit = hashed & self._mask
            bits[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, hashed: int) -> bool:
        bit = hashed & self._mask
        return self._bits[bit >> 3] & (1 << (bit & 7)) != 0
