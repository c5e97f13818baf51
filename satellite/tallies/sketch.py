"""How much was seen of things that there was no room to count one by one?

Pure. A count-min sketch in two generations: it has a fixed size whatever comes, and answers at
least the truth, with what other things share its cells on top. The salt is the process's own, so
that nobody outside can choose things that collide.

Source: Cormode and Muthukrishnan, "An improved data stream summary: the count-min sketch and its
applications", Journal of Algorithms 55 (2005), section 4.1.
"""

from __future__ import annotations

from array import array

from common.sliding_count import AMOUNT_MAX

WIDTH = 1 << 14  # cells of a row
DEPTH = 3  # rows; three quarters of a megabyte in both generations
GENERATION_S = 3_600.0


class Sketch:
    """Amounts by digest, of this generation and the one before.

    Args:
        salt: 0 up to 2^64: drawn by each process.
    """

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._now = _rows()
        self._before = _rows()
        self._began_s = 0.0

    def add(self, digest: bytes, amount: int, *, now_s: float) -> None:
        """Count a thing that gives way to others."""
        self._turn(now_s)
        for row, index in zip(self._now, self._indexes(digest), strict=True):
            row[index] = min(row[index] + amount, AMOUNT_MAX)

    def estimate(self, digest: bytes, *, now_s: float) -> int:
        """Return how much may have been counted of a thing; never less than was, lately."""
        self._turn(now_s)
        indexes = self._indexes(digest)
        return sum(
            min(row[index] for row, index in zip(rows, indexes, strict=True))
            for rows in (self._now, self._before)
        )

    def _indexes(self, digest: bytes) -> tuple[int, ...]:
        mixed = hash((self._salt, digest))  # of octets it is keyed for each process (SipHash)
        return tuple((mixed >> shift) & (WIDTH - 1) for shift in range(0, DEPTH * 16, 16))

    def _turn(self, now_s: float) -> None:
        age_s = now_s - self._began_s
        if age_s < GENERATION_S:
            return
        self._before = self._now if age_s < 2 * GENERATION_S else _rows()
        self._now = _rows()
        self._began_s = now_s


def _rows() -> tuple[array[int], ...]:
    return tuple(array("Q", bytes(8 * WIDTH)) for _ in range(DEPTH))
