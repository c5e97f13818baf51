"""Does somebody have a core's SQLite database open?

Touches a lock file beside it: two cores on one SQLite file would be two writers, which no promise
of ours survives. The lock is of the process: it goes with it, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from core.store.errors import StoreFailure


class CoreRuns(StoreFailure):
    """Another process has the database."""


def take_lock(file: Path) -> int:
    """Return a descriptor that holds the lock of a database until it is closed.

    Raises:
        CoreRuns: somebody else has it.
        OSError: the lock file cannot be made.
    """
    lock = os.open(f"{file}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise CoreRuns(
            f"another core has {file} open", hint="stop it, or give this one a folder of its own"
        ) from None
    return lock


def is_locked(file: Path) -> bool:
    """Say whether somebody has a database open, without making anything."""
    if not Path(f"{file}.lock").exists():
        return False
    try:
        os.close(take_lock(file))
    except CoreRuns:
        return True
    return False
