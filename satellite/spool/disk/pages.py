"""Which rows stand on the pages of an SQLite file, whatever its trees say?

Pure over octets. A page that leads to others may be what is damaged: then its rows cannot be
reached by SQL, though they are there. Of each page only what its own list of cells names is read;
pages that are known to be free are left out, since what they hold is old.

Source: SQLite, *Database File Format*, sections 1.5 (free list), 1.6 (b-tree pages), 1.8 (pointer
map pages), 2.1 (records).
"""

from __future__ import annotations

from collections.abc import Iterator

from common.frozen import dataclass

PAGE_BYTES = 4096
_INDEX, _INDEX_LEAF, _TABLE_LEAF = 0x02, 0x0A, 0x0D  # an index has rows on its inner pages too
_HEADER_BYTES = {_INDEX: 12, _INDEX_LEAF: 8, _TABLE_LEAF: 8}
_CHILD_BYTES = {_INDEX: 4, _INDEX_LEAF: 0, _TABLE_LEAF: 0}
_INDEX_LOCAL_MAX = (PAGE_BYTES - 12) * 64 // 255 - 23
_LOCAL_MAX = {
    _INDEX: _INDEX_LOCAL_MAX,
    _INDEX_LEAF: _INDEX_LOCAL_MAX,
    _TABLE_LEAF: PAGE_BYTES - 35,
}
_LOCAL_MIN = (PAGE_BYTES - 12) * 32 // 255 - 23
PAYLOAD_BYTES_MAX = 1 << 20  # more than the largest row of ours
COLUMNS_MAX = 64
_ROOT_POINTER = b"\x01\0\0\0\0"
_POINTERS_PER_PAGE = PAGE_BYTES // 5

Value = int | float | str | bytes | None


class Torn(Exception):
    """A page or a record is not what it should be."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row.

    Args:
        is_table: it stands in a table with row numbers; else its first columns are its key.
        row: the row number, 0 without one.
        values: the columns, in the order in which they were declared.
        is_edge: the rows before or after it stand on another page.
    """

    is_table: bool
    row: int
    values: tuple[Value, ...]
    is_edge: bool


class Pages:
    """The pages of a database file.

    Args:
        data: the file.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.count = len(data) // PAGE_BYTES
        # Which page leads to which, if the file keeps that: it begins with that of a root, page 3.
        self.has_pointers = self.count > 1 and self._page(2)[:5] == _ROOT_POINTER

    def rows(self) -> Iterator[Cell]:
        """Yield each row that can be read from a page that is in use."""
        free = self._free()
        for number in range(1, self.count + 1):
            if number not in free and not (self.has_pointers and _is_of_pointers(number)):
                yield from self._of(number)

    def _page(self, number: int) -> bytes:
        if not 1 <= number <= self.count:
            raise Torn
        return bytes(self._data[(number - 1) * PAGE_BYTES : number * PAGE_BYTES])

    def _of(self, number: int) -> Iterator[Cell]:
        page = self._page(number)
        kind = page[0]
        if number == 1 or kind not in _HEADER_BYTES:
            return
        cells = min(int.from_bytes(page[3:5], "big"), PAGE_BYTES // 4)
        for index in range(cells):
            at = _HEADER_BYTES[kind] + 2 * index
            start = int.from_bytes(page[at : at + 2], "big") + _CHILD_BYTES[kind]
            is_edge = kind == _INDEX or index in {0, cells - 1}
            try:
                yield self._cell(page, kind, start, is_edge=is_edge)
            except (Torn, IndexError, UnicodeDecodeError):
                continue  # the others on this page may hold

    def _cell(self, page: bytes, kind: int, at: int, *, is_edge: bool) -> Cell:
        size, at = _varint(page, at)
        row = 0
        if kind == _TABLE_LEAF:
            row, at = _varint(page, at)
        if not 0 < size <= PAYLOAD_BYTES_MAX:
            raise Torn
        values = _record(self._payload(page, kind, at, size))
        return Cell(kind == _TABLE_LEAF, row, values, is_edge)

    def _payload(self, page: bytes, kind: int, at: int, size: int) -> bytes:
        if size <= _LOCAL_MAX[kind]:
            return _exactly(page, at, size)
        local = _LOCAL_MIN + (size - _LOCAL_MIN) % (PAGE_BYTES - 4)
        if local > _LOCAL_MAX[kind]:
            local = _LOCAL_MIN
        parts = [_exactly(page, at, local)]
        following = int.from_bytes(_exactly(page, at + local, 4), "big")
        rest = size - local
        while rest > 0:  # each turn takes octets, so that a ring of pages has an end
            overflow = self._page(following)
            parts.append(overflow[4 : 4 + min(rest, PAGE_BYTES - 4)])
            rest -= len(parts[-1])
            following = int.from_bytes(overflow[:4], "big")
        return b"".join(parts)

    def _free(self) -> set[int]:
        """Return the pages of the free list, as far as it holds."""
        free: set[int] = set()
        try:
            first = self._page(1)
            trunk = int.from_bytes(first[32:36], "big")
            while trunk and trunk not in free:
                page = self._page(trunk)
                free.add(trunk)
                leaves = min(int.from_bytes(page[4:8], "big"), PAGE_BYTES // 4 - 2)
                free |= {int.from_bytes(page[8 + 4 * n : 12 + 4 * n], "big") for n in range(leaves)}
                trunk = int.from_bytes(page[:4], "big")
        except Torn:
            pass
        return free


def _is_of_pointers(number: int) -> bool:
    return number > 1 and (number - 2) % (_POINTERS_PER_PAGE + 1) == 0


def _exactly(page: bytes, at: int, size: int) -> bytes:
    found = page[at : at + size]
    if len(found) != size:
        raise Torn
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of 1 to 9 octets, and where it ends."""
    value = 0
    for index in range(8):
        octet = data[at + index]
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def _record(payload: bytes) -> tuple[Value, ...]:
    header_end, at = _varint(payload, 0)
    if header_end > len(payload):
        raise Torn
    kinds: list[int] = []
    while at < header_end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
        if len(kinds) > COLUMNS_MAX:
            raise Torn
    values: list[Value] = []
    at = header_end
    for kind in kinds:
        value, at = _value(payload, kind, at)
        values.append(value)
    if at != len(payload):
        raise Torn
    return tuple(values)


_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


def _value(payload: bytes, kind: int, at: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in {8, 9}:
        return kind - 8, at
    if kind in _INTEGERS:
        size = _INTEGERS[kind]
        return int.from_bytes(payload[at : at + size], "big", signed=True), at + size
    if kind < 12:  # real numbers, which no table of ours has, and what is reserved
        raise Torn
    size = (kind - 12) // 2
    octets = payload[at : at + size]
    if len(octets) != size:
        raise Torn
    return (octets if kind % 2 == 0 else octets.decode()), at + size
