"""How is it made sure that nothing else is measured at the same time?

Touches a lock file. Two measurements share ports, and would each be foreign load to the other.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

WAIT_S = 3600.0
POLL_S = 1.0


@contextlib.contextmanager
def alone(path: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold a lock during a block; wait for whoever has it.

    Raises:
        TimeoutError: somebody else has it all the time.
    """
    with path.open("a") as lock:
        deadline, is_told = time.monotonic() + wait_s, False
        while not _take(lock.fileno()):
            if time.monotonic() >= deadline:
                raise TimeoutError(f"another measurement has {path} for {wait_s:.0f} s")
            if not is_told:
                print("another measurement is running; waiting for its end", flush=True)
                is_told = True
            time.sleep(POLL_S)  # whoever has it tells nobody when it ends
        yield


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
