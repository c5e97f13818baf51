"""How is a row of numbers drawn in one line?

Pure, but for a look at what stdout can show: where it knows no such signs nothing is drawn, and the
numbers stand beside the picture anyway.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import pairwise

_HEIGHTS = "▁▂▃▄▅▆▇█"
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_NOTHING = "·"  # nothing is known of it, which is not 0


def can_draw() -> bool:
    """Say whether stdout can show what is drawn here."""
    try:
        (_HEIGHTS + _EIGHTHS + _NOTHING).encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def sparkline(values: Sequence[float | None]) -> str:
    """Return a column for each value, the highest value's the highest; 0 is the lowest alone."""
    top = max((value for value in values if value is not None), default=0)
    return "".join(_NOTHING if value is None else _HEIGHTS[_height(value, top)] for value in values)


def _height(value: float, top: float) -> int:
    steps = len(_HEIGHTS) - 1
    return min(steps, max(1, round(steps * value / top))) if value > 0 else 0


def bar(share: float, *, width: int) -> str:
    """Return a bar that is full at 1; what is more than 0 is seen.

    Args:
        share: 0 to 1.
        width: of the full bar, in columns.
    """
    eighths = min(width * 8, max(round(share * width * 8), 1 if share > 0 else 0))
    return (_EIGHTHS[8] * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip(" ")


def merged(
    values: Sequence[float | None],
    *,
    width: int,
    of: Callable[[Sequence[float]], float],
) -> list[float | None]:
    """Return at most so many values, each made of neighbours that stand for about as many.

    Args:
        values: None where nothing is known.
        width: how many may be left.
        of: what some known ones come to, such as ``sum`` or ``max``.
    """
    parts = min(width, len(values))
    edges = [len(values) * place // parts for place in range(parts + 1)] if parts else [0]
    found: list[float | None] = []
    for start, end in pairwise(edges):
        known = [value for value in values[start:end] if value is not None]
        found.append(of(known) if known else None)
    return found
