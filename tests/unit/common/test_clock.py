"""An id is made once, whichever process makes it."""

from __future__ import annotations

import os

from common.clock import SystemClock, new_id
from common.ids import is_ulid

RANDOM_DIGITS = 16


def test_a_forked_process_makes_ids_of_its_own() -> None:
    clock = SystemClock()
    new_id(clock)  # there is a pool now, and some of it is left
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, new_id(clock).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        theirs = told.read()
    os.waitpid(pid, 0)

    ours = new_id(clock)

    assert is_ulid(theirs)
    assert theirs[-RANDOM_DIGITS:] != ours[-RANDOM_DIGITS:]
