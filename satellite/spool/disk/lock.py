"""How is a shard's lock taken, so that one process alone opens it?

Touches the lock file. A shard is opened under an exclusive lock, and who comes second waits for the
first to be gone. The kernel gives the lock back when its holder dies, whatever killed it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import structlog

from common.clock import Clock

log = structlog.get_logger()

RETRY_S = 0.2


class ShardLock:
    """An exclusive lock on a shard's folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    async def acquire(self, clock: Clock) -> None:
        """Return once the lock is ours; say so when somebody else has it."""
        told = False
        while not self._try():
            if not told:
                log.warning("spool.locked", folder=str(self._path.parent), waiting=True)
                told = True
            await clock.sleep(RETRY_S)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)
