"""How are packed octets unfolded, chunk by chunk, and which methods can we not read?

Pure. Nothing unfolds further than a chunk before its caller may count it. What stands in a packed
stream is a stranger's: sizes are bounds to work within, never amounts to reserve.

Source: APPNOTE.TXT 6.3.10 sections 4.4.5 (methods) and 5.8 (LZMA); RFC 1951, RFC 1952.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Protocol

CHUNK_BYTES = 65_536
INPUT_BYTES = 16_384  # packed octets handed over at once
STREAMS_MAX = 1000  # in a row; an empty one costs time and no octets
DICTIONARY_BYTES_MAX = 64 * 1024 * 1024  # of LZMA; more than a member of ours ever needs
DAMAGE = (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError)  # OSError: of bz2

_PADDING = re.compile(rb"\0*+")

STORED = 0
DEFLATED = 8
_NAMES = {
    1: "Shrink",
    2: "Reduce",
    3: "Reduce",
    4: "Reduce",
    5: "Reduce",
    6: "Implode",
    9: "Deflate64",
    10: "PKWARE DCL",
    20: "Zstandard",
    93: "Zstandard",
    94: "MP3",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}


class Inflater(Protocol):
    """What bz2 and lzma call a decompressor."""

    @property
    def eof(self) -> bool:
        """Return whether the packed stream has ended."""
        ...

    @property
    def needs_input(self) -> bool:
        """Return whether nothing more comes without further packed octets."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Return what came behind the end."""
        ...

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Return at most ``max_length`` octets."""
        ...


class Deflate:
    """zlib's decompressor with the face of the other two.

    Args:
        window_bits: as zlib has it: -15 for raw, 31 for gzip.
    """

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        found = self._inner.decompress(self._inner.unconsumed_tail + data, max(0, max_length))
        self.needs_input = not self._inner.unconsumed_tail and len(found) < max_length
        return found


def _xz() -> Inflater:
    return lzma.LZMADecompressor(memlimit=2 * DICTIONARY_BYTES_MAX)


def _bzip2() -> Inflater:
    return bz2.BZ2Decompressor()


def _lzma_alone() -> Inflater:
    return lzma.LZMADecompressor(format=lzma.FORMAT_ALONE, memlimit=2 * DICTIONARY_BYTES_MAX)


MAKERS: dict[int, Callable[[], Inflater]] = {DEFLATED: lambda: Deflate(-15), 12: _bzip2, 95: _xz}
# What is packed alone, by its kind.
OPENERS: dict[str, Callable[[], Inflater]] = {
    "gzip": lambda: Deflate(31),
    "bzip2": _bzip2,
    "xz": _xz,
    "lzma": _lzma_alone,
    "zlib": lambda: Deflate(15),
}
LZMA = 14
READABLE = frozenset({STORED, LZMA, *MAKERS})


def method_name(method: int) -> str:
    """Return what people call a ZIP method that we cannot read."""
    return _NAMES.get(method, f"method {method}")


def unfold(method: int, packed: memoryview) -> Iterator[bytes]:
    """Yield what a ZIP member holds, a chunk at a time.

    Args:
        method: one of ``READABLE``.
        packed: its octets in the archive; what is behind the end of a packed stream is ignored.

    Raises:
        one of ``DAMAGE``: it is no such stream, or ends early; what came before remains true.
    """
    if method == STORED:
        for place in range(0, len(packed), CHUNK_BYTES):
            yield bytes(packed[place : place + CHUNK_BYTES])
    elif method == LZMA:
        yield from _one(_lzma(bytes(packed[:9])), packed[9:], may_end=True)
    else:
        yield from _one(MAKERS[method](), packed)


def inflated(
    make: Callable[[], Inflater], packed: memoryview, *, may_end: bool = False
) -> Iterator[bytes]:
    """Yield what a packed stream holds, and those that follow it at once, a chunk at a time.

    Args:
        make: gives a new inflater.
        packed: the stream, and whatever comes behind it, which is ignored.
        may_end: the first may end without a mark of its end.

    Raises:
        one of ``DAMAGE``: the first stream is none, or ends early.
    """
    rest = yield from _one(make(), packed, may_end=may_end)
    for _ in range(STREAMS_MAX):
        padding = _PADDING.match(rest)
        assert padding is not None
        rest = rest[padding.end() :]  # xz allows some between streams
        if not rest:
            return
        try:
            rest = yield from _one(make(), rest)
        except DAMAGE:
            return  # padding, or a signature: no stream
    raise ValueError("too many packed streams in a row")


def _one(
    inflater: Inflater, packed: memoryview, *, may_end: bool = False
) -> Generator[bytes, None, memoryview]:
    """Yield what one packed stream holds; return what is behind it.

    Args:
        inflater: new.
        packed: the stream, and whatever comes behind it.
        may_end: it may end without a mark of its end.
    """
    for place in range(0, len(packed), INPUT_BYTES):
        stop = min(place + INPUT_BYTES, len(packed))
        data = bytes(packed[place:stop])
        while not inflater.eof:
            chunk = inflater.decompress(data, CHUNK_BYTES)
            yield chunk  # an empty one too: its reader counts what is read for nothing
            data = b""
            if inflater.needs_input:
                break
        if inflater.eof:
            return packed[stop - len(inflater.unused_data) :]
    if not may_end:
        raise EOFError("the packed stream has no end")
    return packed[len(packed) :]


def _lzma(head: bytes) -> Inflater:
    """Return what reads the LZMA stream of a member, whose first nine octets say how."""
    if len(head) < 9 or head[2:4] != b"\5\0" or head[4] >= 225:
        raise ValueError("no LZMA")
    position, literal = divmod(head[4], 9)
    wanted = int.from_bytes(head[5:9], "little")
    described = {
        "id": lzma.FILTER_LZMA1,
        "lc": literal,
        "lp": position % 5,
        "pb": position // 5,
        "dict_size": max(4096, min(wanted, DICTIONARY_BYTES_MAX)),
    }
    return lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=[described])
