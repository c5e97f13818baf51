"""What does chance add to each pair of domain and site, the same for ever?

Pure, and in whole metres. The first 16 bits of the SHA-256 of the pair (domain, line end, site)
name a cell of a table, which holds ``SPREAD_M * ln(-ln(u))`` for the middles u of 65 536 equal
parts of what is between 0 and 1.

With ``-ln(u)`` drawn for each site, the site with the smallest draw divided by its weight wins in
exact proportion to the weights, and so does the one with the smallest logarithm of that. The
logarithm is what can be added to a distance.

The table is made by floating point, and is the same on every machine all the same: no entry is so
near to the half of a metre that the last digits of a logarithm could decide.

Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998 (rendezvous
hashing); Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005 (the smallest
-ln(hash)/weight wins); Yellott, "The relationship between Luce's choice axiom ...", 1977.
"""

from __future__ import annotations

import math
from functools import cache

SPREAD_M = 50_000  # this much farther, and a site is worth 1/e of what it was
CELLS = 65_536
CAPACITY_USUAL = 100  # this capacity neither adds nor takes off; it moves all costs alike


@cache
def draws_m() -> tuple[int, ...]:
    """Return the table: what each cell adds, in metres; the cells of small draws are the last."""
    log = math.log
    return tuple(round(SPREAD_M * log(-log((cell + 0.5) / CELLS))) for cell in range(CELLS))


@cache
def draw_range_m() -> int:
    """Return the widest difference between two draws: nothing that chance adds outweighs more."""
    return draws_m()[0] - draws_m()[-1]


def worth_m(capacity: int) -> int:
    """Return what a capacity is worth: twice as much makes a site 35 km nearer."""
    return round(SPREAD_M * math.log(capacity / CAPACITY_USUAL))
