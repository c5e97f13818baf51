"""In which room does a worker spend its processor time?

Touches the worker that it is put into: Python imports a file of this name from ``PYTHONPATH``, so
that nothing of the product knows of it. The kernel interrupts a worker after each few milliseconds
of processor time (``ITIMER_PROF``); what the thread of the loop has used since then goes to the
room whose code is at work, the innermost that has a frame. What other threads have used is told by
their own clocks. The sums are written to a file of the process, in the folder that
``BENCH_STAGES`` names.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

PERIOD_S = 0.004  # processor time; the kernel's tick may make it longer
WRITE_EVERY = 50  # samples
FOLDER = os.environ.get("BENCH_STAGES", "")

# The longest beginning of a module's name that fits decides.
ROOMS = {
    "satellite.smtp": "front end",
    "satellite.overload": "front end",
    "satellite.spool": "spool",
    "satellite.judging": "judging",
    "satellite.scanning": "judging",
    "satellite.filtering": "judging",
    "satellite.headers": "judging",
    "satellite.delivery": "delivery",
    "satellite.names": "delivery",
    "satellite.link": "records",
    "common.records": "records",
    "common.wire": "records",
}
LOOP = "event loop"
COMMIT_THREAD = "commit"
OTHER_THREADS = "records"  # gRPC's, whose stream carries them


class Sampler:
    """The sums of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._used_s: dict[str, float] = {}
        self._known: dict[str, str | None] = {}  # rooms by module
        self._samples = 0
        self._loop_s = time.thread_time()
        self._all_s = time.process_time()
        self._commit_s = 0.0

    def sample(self, _number: int, frame: FrameType | None) -> None:
        """Take note of what was used since the last sample."""
        loop_s, all_s, commit_s = time.thread_time(), time.process_time(), _commit_s()
        loop, commit = loop_s - self._loop_s, max(0.0, commit_s - self._commit_s)
        self._add(self._room(frame), loop)
        self._add("spool", commit)
        self._add(OTHER_THREADS, max(0.0, all_s - self._all_s - loop - commit))
        self._loop_s, self._all_s, self._commit_s = loop_s, all_s, commit_s
        self._samples += 1
        if self._samples % WRITE_EVERY == 0:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(json.dumps(self._used_s), encoding="utf-8")
            fresh.replace(self._path)

    def _add(self, room: str, seconds: float) -> None:
        self._used_s[room] = self._used_s.get(room, 0.0) + seconds

    def _room(self, frame: FrameType | None) -> str:
        while frame is not None:
            name = str(frame.f_globals.get("__name__", ""))
            if name not in self._known:
                self._known[name] = room_of(name)
            room = self._known[name]
            if room is not None:
                return room
            frame = frame.f_back
        return LOOP


def room_of(module: str) -> str | None:
    """Return the room that a module belongs to; None: to whoever called it."""
    fitting = [name for name in ROOMS if module == name or module.startswith(f"{name}.")]
    return ROOMS[max(fitting, key=len)] if fitting else None


def _commit_s() -> float:
    """Return what the thread has used that commits."""
    for thread in threading.enumerate():
        if thread.name == COMMIT_THREAD and thread.ident is not None:
            return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return 0.0


def _begin() -> None:
    """Sample this process from now on: timers do not survive a fork."""
    sampler = Sampler(Path(FOLDER) / f"{os.getpid()}.json")
    signal.signal(signal.SIGPROF, sampler.sample)
    signal.setitimer(signal.ITIMER_PROF, PERIOD_S, PERIOD_S)


if FOLDER:
    os.register_at_fork(after_in_child=_begin)
