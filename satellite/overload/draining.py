"""How is it remembered that a node is being drained?

Touches one file in the state folder. An operator's word outlives a restart of the node, whoever
restarts it: the mark is durable before anybody is told that it is set. It comes on the node itself,
or over the link, and then to each shard.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from common.durable import disk, sync_folder

log = structlog.get_logger()

NAME = "draining"


class ToldDrain:
    """What the core told a shard of emptying its node.

    Args:
        state: the node's state folder.
        empty: begins to empty the shard, or ends it.
    """

    def __init__(self, state: Path, empty: Callable[[bool], Awaitable[None]]) -> None:
        self._state = state
        self._empty = empty
        self._told = False
        self._news = asyncio.Event()

    def told(self, on: bool) -> None:
        """The core says whether the node shall take no mail from now on."""
        self._told = on
        self._news.set()

    async def run(self) -> None:
        """Do what was told last, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            on = self._told
            try:
                await asyncio.to_thread(mark if on else unmark, self._state)
            except OSError as error:
                log.error("node.drain_not_marked", on=on, reason=error.strerror)
                continue
            log.info("node.drain_told", on=on)
            await self._empty(on)


def is_marked(state: Path) -> bool:
    """Say whether the node of a state folder is being emptied."""
    return (state / NAME).exists()


def mark(state: Path) -> None:
    """Let the node take no mail from now on; durable when this returns.

    Raises:
        OSError: the disk refuses.
    """
    # Not write_file: all shards are told at once, and one would rename away what another made.
    os.close(disk.create(state / NAME, 0, 0o600))
    sync_folder(state)


def unmark(state: Path) -> None:
    """Let the node take mail again; durable when this returns.

    Raises:
        OSError: the disk refuses.
    """
    (state / NAME).unlink(missing_ok=True)
    sync_folder(state)
