"""Which processes did a process start?

Touches ``/proc``. A killed worker is a real one: it is found the way an operator finds it, by who
its parent is and what its command line says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WORKER = "satellite.app.worker"
HELPER = "satellite.scanning.helper_process"

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Member:
    """One process below another."""

    pid: int
    parent: int
    command: tuple[str, ...]

    def runs(self, module: str) -> bool:
        """Say whether it runs a Python module."""
        return module in self.command


def descendants(pid: int) -> list[Member]:
    """Return all processes below ``pid`` that live now, parents before their children."""
    everybody = [member for path in _PROC.glob("[0-9]*") if (member := _member(path))]
    found: list[Member] = []
    above = {pid}
    while below := [one for one in everybody if one.parent in above]:
        found += below
        above = {one.pid for one in below}
    return found


def workers(pid: int) -> dict[int, int]:
    """Return the process id of each shard's worker below a satellite's parent."""
    return {
        int(one.command[one.command.index(WORKER) + 2]): one.pid
        for one in descendants(pid)
        if one.runs(WORKER)
    }


def helpers(pid: int) -> list[int]:
    """Return the process ids of the helpers of all workers below a satellite's parent."""
    return [one.pid for one in descendants(pid) if one.runs(HELPER)]


def is_alive(pid: int) -> bool:
    """Say whether a process runs: one that has ended and was not reaped does not."""
    try:
        return _state(_PROC / str(pid))[0] not in ("Z", "X")
    except OSError:
        return False


def _member(path: Path) -> Member | None:
    try:
        state, parent = _state(path)
        command = (path / "cmdline").read_bytes()
    except OSError:
        return None  # it ended while we looked
    if state in ("Z", "X"):
        return None
    words = tuple(word.decode("utf-8", "replace") for word in command.split(b"\0"))
    return Member(int(path.name), parent, words)


def _state(path: Path) -> tuple[str, int]:
    """Return the state's letter and the parent's id: proc(5), after the name in brackets."""
    fields = (path / "stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[1])
