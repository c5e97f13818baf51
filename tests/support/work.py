"""How long does code work, whatever else its process has in memory?

Touches the clock of the calling thread, and the collector of cycles, which is off meanwhile: one
look of it at all that thousands of tests left takes seconds, and is no work of who allocates then.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from common.collector import uncollected


def work_s(run: Callable[[], object]) -> float:
    """Return the processor time of a call, in seconds; what the call raises is passed on."""
    with uncollected():
        began_s = time.thread_time()
        run()
        return time.thread_time() - began_s
