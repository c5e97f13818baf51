"""How is very much made at once, without a look at all of it again and again?

Touches the collector of cycles, which belongs to the whole process. What is read from a large file
holds no cycles, and nearly all of it stays; the collector would look through it each time that it
has grown by a quarter, which doubles the time of the reading.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave the collector off for the length of a block; what it does is bounded by its input."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
