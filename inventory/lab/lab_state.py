"""Is a lab up, and which?

Touches one file and one lock below ``/run``, and ``/proc``. There is one lab on a machine at a
time: its first process holds the lock for as long as it lives, and says in the file which process
it is, by its id and when it began, since an id comes again. All else of a lab is that
process's: its namespaces, mounts and programs end with it, however it ends.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from common.durable import write_file
from common.errors import EnvironmentFailure, LocalError

STATE = Path("/run/borderscout-lab.json")
LOCK = Path("/run/borderscout-lab.lock")
_PROC = Path("/proc")


@dataclass(slots=True, kw_only=True)
class LabState:
    """What the first process of a lab says of it.

    Attributes:
        process: its id, as the machine has it.
        began: when it began, in ticks since the machine did.
        folder: where the lab's files are.
        is_ready: everything was ready once.
        answered: which change of those that were asked for it made last, or tried to.
        problem: why it could not, the last time; empty when it could.
        machines: what the lab is made of so far, each with its ``holder``: the process that holds
            its namespaces, by the id that it has in the lab.
        core: the machine on which the core runs, as the lab has it; another one may run as well.
        domains: the customers'.
        services: the programs on them: the process, restarts, how it ended, where its log is.
        joined: by node that joined this lab, how long that took: see ``JoinTimes``.
        applied: what the last change published: ``revision``, the nodes that ``applied`` it, and
            the seconds until the last of them had (``reached_s``); empty: there was none.
        strangers: members of the cluster whom the inventory does not have any more.
    """

    process: int
    began: str
    folder: str
    is_ready: bool = False
    answered: str = ""
    problem: str = ""
    core: str = ""
    machines: list[dict[str, Any]] = field(default_factory=list)
    services: list[dict[str, Any]] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    joined: dict[str, dict[str, Any]] = field(default_factory=dict)
    applied: dict[str, Any] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)

    def is_alive(self) -> bool:
        """Whether that very process is there."""
        return bool(self.began) and began(self.process) == self.began

    def write(self) -> None:
        """Let others read it."""
        write_file(STATE, json.dumps(asdict(self)).encode(), mode=0o600)


def read_state() -> LabState | None:
    """Return what is said of the lab that is up; None when none is."""
    try:
        found = LabState(**json.loads(STATE.read_bytes()))
    except FileNotFoundError:
        return None
    except PermissionError:
        raise EnvironmentFailure(f"{STATE}: cannot be read", hint="run it as root") from None
    except (ValueError, TypeError):
        raise LocalError(f"{STATE} is damaged", hint="see borderscout lab down") from None
    return found if found.is_alive() else None


def take_lock() -> IO[bytes]:
    """Return the lock, which is held until it is closed or its process ends.

    Raises:
        LocalError: another lab has it.
    """
    while True:
        lock = LOCK.open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise LocalError(
                "a lab is up on this machine", hint="end it with: borderscout lab down"
            ) from None
        if _is_still_there(lock):
            return lock
        lock.close()  # whoever had it has taken it away


def remove_traces(lock: IO[bytes]) -> None:
    """Take away what a lab that has ended left below ``/run``; the lock is ours, and is closed."""
    STATE.unlink(missing_ok=True)
    for half in STATE.parent.glob(f"{STATE.name}.*"):  # of one that was killed while it wrote
        half.unlink(missing_ok=True)
    LOCK.unlink(missing_ok=True)
    lock.close()


def _is_still_there(lock: IO[bytes]) -> bool:
    try:
        return LOCK.stat().st_ino == os.fstat(lock.fileno()).st_ino
    except FileNotFoundError:
        return False


def began(process: int) -> str:
    """Return when a process began, in ticks since the machine did; empty when there is none."""
    try:
        text = (_PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    after = text.rpartition(")")[2].split()  # the name before it may hold anything
    return "" if after[0] in "ZX" else after[19]


def members(first: int) -> dict[int, str]:
    """Return all processes of a lab, as this machine has them: when each began.

    Args:
        first: the lab's first process, as this machine has it.
    """
    found = {}
    space = _space_of(first)
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and space is not None:
            process = int(folder.name)
            if _space_of(process) == space and (when := began(process)):
                found[process] = when
    return found


def still_there(found: dict[int, str]) -> list[int]:
    """Return those of some processes that have not ended."""
    return [process for process, when in found.items() if began(process) == when]


def outside_ids(first: int) -> dict[int, int]:
    """Return the ids of a lab's processes as this machine has them, by what the lab has."""
    named = {process: _ids_of(process) for process in members(first)}
    return {ids[-1]: process for process, ids in named.items() if ids}


def _space_of(process: int) -> int | None:
    """Return the number of the process namespace that a process is in; None when it has gone."""
    try:
        return (_PROC / str(process) / "ns" / "pid").stat().st_ino
    except OSError:
        return None


def _ids_of(process: int) -> list[int]:
    try:
        lines = (_PROC / str(process) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return []
    said = next((line for line in lines if line.startswith("NSpid:")), "NSpid:")
    return [int(word) for word in said.split()[1:]]
