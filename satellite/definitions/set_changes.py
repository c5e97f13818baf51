"""When does another set of definitions come into use at this node?

Touches one small file, which the worker that keeps the definitions replaces. Each worker looks at
it, since each remembers what its engine said: clamd's own version does not tell databases beside
the official ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from common.clock import Clock
from satellite.definitions.kept_sets import STANDING_BYTES_MAX, standing_file

LOOK_S = 1.0


async def watch_sets(folder: Path, clock: Clock, on_change: Callable[[], None]) -> None:
    """Call whenever a set is going to be tried, or has come into use, until cancelled.

    Args:
        folder: that the engine reads.
        clock: the time.
        on_change: called after each change; not for what is there at the first look.
    """
    known = await asyncio.to_thread(_standing, folder)
    while True:
        await clock.sleep(LOOK_S)
        found = await asyncio.to_thread(_standing, folder)
        if found != known:
            known = found
            on_change()


def _standing(folder: Path) -> bytes:
    """Return what is written down; nothing where nothing can be read."""
    try:
        with standing_file(folder).open("rb") as file:
            return file.read(STANDING_BYTES_MAX)
    except OSError:
        return b""
