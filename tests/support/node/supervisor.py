"""A service manager's end of the socket that programs tell it on: sd_notify(3)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEADLINE_S = 30.0


class TellingSocket:
    """What programs have told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(DEADLINE_S)

    def next(self) -> list[str]:
        """Return the lines of the next message; fail when none comes."""
        return self._socket.recv(4096).decode().splitlines()

    def until(self, line: str) -> list[list[str]]:
        """Return all messages up to the one that has a line."""
        found = [self.next()]
        while line not in found[-1]:
            found.append(self.next())
        return found

    def is_silent(self) -> bool:
        """Say whether nothing waits."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(DEADLINE_S)
        return False

    def close(self) -> None:
        self._socket.close()


@contextmanager
def telling_socket(folder: Path) -> Iterator[TellingSocket]:
    """Give a socket in a folder; its path is short enough for one."""
    made = TellingSocket(folder / "notify")
    try:
        yield made
    finally:
        made.close()
