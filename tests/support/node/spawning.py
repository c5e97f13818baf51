"""How does a test make a worker's process without a fork server?

Touches processes. Each is spawned as a program of its own, so that a test may be the parent
whatever else its own process has open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from satellite.node import launch
from satellite.node.parent import Start

WORKER = launch.command("satellite.app.worker")


def spawning(command: Sequence[str] = WORKER) -> Start:
    """Return what runs ``command`` in a worker's place, with a worker's arguments."""

    async def start(
        arguments: Sequence[str], descriptors: Sequence[int]
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            *map(str, descriptors),
            pass_fds=descriptors,
            stdin=asyncio.subprocess.DEVNULL,
        )

    return start


async def nobody(
    arguments: Sequence[str], descriptors: Sequence[int]
) -> asyncio.subprocess.Process:
    """Stand where no worker is ever started."""
    raise OSError(f"no worker is to be started here: {arguments}, {descriptors}")
