"""How are the processes of a gateway started, awaited and ended?

Touches processes, control groups and a folder of its own. Whatever was started is in one of the
control groups, and goes with it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.bench.groups import PREFIX, Group

START_S = 60.0
END_S = 20.0
POLL_S = 0.02
TAIL_OCTETS = 2000


class PeerFailed(Exception):
    """A gateway did not start, or stopped."""


class Parts:
    """The processes of one gateway; a context manager that ends them.

    Args:
        name: of the gateway, in the names of its control groups.
        folder: of its own; emptied first.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.groups: dict[str, Group] = {}
        self._name = name
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stops: list[Sequence[str]] = []
        self._passing: list[Path] = []
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        folder.chmod(0o755)  # the peers' own users read below it

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def spawn(
        self,
        group: str,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        is_humble: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a process in a control group; what it says goes to ``GROUP.log`` in the folder.

        Args:
            is_humble: at nice 19, in a control group that is served last.
        """
        if group not in self.groups:
            self.groups[group] = Group(f"{self._name}-{group}", is_humble=is_humble)
        entries = "; ".join(f"echo $$ > {entry}" for entry in self.groups[group].entries)
        lower = "nice -n 19 " if is_humble else ""
        with (self.folder / f"{group}.log").open("ab") as log:
            process = subprocess.Popen(
                ["sh", "-c", f'{entries}; exec {lower}"$@"', "sh", *command],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def stop_with(self, command: Sequence[str]) -> None:
        """Note a command that ends something which daemonised itself."""
        self._stops.append(command)

    def passing_folder(self, parent: Path) -> Path:
        """Make a folder elsewhere that goes when the gateway ends."""
        folder = parent / f"{PREFIX}{self._name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        self._passing.append(folder)
        return folder

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process in order, and by force when it does not."""
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._processes.remove(process)

    def kill(self, process: subprocess.Popen[bytes], group: str) -> None:
        """End a process as a crash does, and return once nothing is left in its group.

        Raises:
            PeerFailed: what it started lives on.
        """
        process.kill()
        process.wait()
        self._processes.remove(process)
        self.wait_for(lambda: not self.groups[group].pids(), f"nothing is left of {group}")

    def close(self) -> None:
        """End everything, the youngest first."""
        for command in reversed(self._stops):
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, check=False, timeout=END_S)
        for process in self._processes[::-1]:
            if process.poll() is None:
                self.end(process)
        for group in self.groups.values():
            group.remove()
        self.groups.clear()
        for folder in self._passing:
            shutil.rmtree(folder, ignore_errors=True)

    def wait_for_port(self, port: int, what: str) -> None:
        """Return once something listens on a port of 127.0.0.1."""
        self.wait_for(lambda: listens(port), f"{what} listens on {port}")

    def wait_for_file(self, path: Path, what: str) -> None:
        """Return once a file is there."""
        self.wait_for(path.exists, f"{what} makes {path.name}")

    def wait_for(self, look: Callable[[], bool], what: str, *, deadline_s: float = START_S) -> None:
        """Return once ``look`` says so.

        Raises:
            PeerFailed: it did not in time, or a process has ended; with its last lines.
        """
        deadline = time.monotonic() + deadline_s
        while not look():
            ended = [p.args for p in self._processes if p.poll() not in (None, 0)]
            if ended or time.monotonic() > deadline:
                raise PeerFailed(f"{what}: not within {deadline_s:.0f} s\n{self.story()}")
            time.sleep(POLL_S)  # a program tells nobody when it is ready

    def story(self) -> str:
        """Return the end of every log in the folder."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"-- {log.name}: {_tail(log)}" for log in logs)


def listens(port: int) -> bool:
    """Return whether something takes connections on a port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _tail(path: Path) -> str:
    return path.read_bytes()[-TAIL_OCTETS:].decode("utf-8", "replace")
