"""Which processes did a process start?

Touches ``/proc``. A killed worker is a real one: it is found the way an operator finds it, by who
its parent is, what it is called and what its command line says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WORKER = "worker-"
FORK_SERVER = "fork-server"
HELPER = "satellite.scanning.helper_process"

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Member:
    """One process below another."""

    pid: int
    parent: int
    name: str
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
        int(one.name.removeprefix(WORKER)): one.pid
        for one in descendants(pid)
        if one.name.startswith(WORKER)
    }


def fork_server(pid: int) -> int | None:
    """Return the process id of a satellite's fork server, None while it has none."""
    mine = (one for one in descendants(pid) if one.parent == pid and one.name == FORK_SERVER)
    return next((one.pid for one in mine), None)


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
        name = (path / "comm").read_text().strip()
        command = (path / "cmdline").read_bytes()
    except OSError:
        return None  # it ended while we looked
    if state in ("Z", "X"):
        return None
    words = tuple(word.decode("utf-8", "replace") for word in command.split(b"\0"))
    return Member(int(path.name), parent, name, words)


def _state(path: Path) -> tuple[str, int]:
    """Return the state's letter and the parent's id: proc(5), after the name in brackets."""
    fields = (path / "stat").read_text().rpartition(")")[2].split()
    return fields[0], int(fields[1])
