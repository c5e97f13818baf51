"""Which addresses does the system's hosts file have for a name?

Touches that file: looked at for each question, and read when it has changed.

Source: hosts(5); RFC 6761 section 6.3 (``localhost`` is loopback, whatever DNS says).
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

PATH = Path("/etc/hosts")
BYTES_MAX = 1024 * 1024  # what is behind that is not read
_LOCALHOST = ("127.0.0.1", "::1")


class HostsFile:
    """The hosts file as it is now.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path = PATH) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._names: dict[str, tuple[str, ...]] = {}

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the addresses of a name, in the order of the file; none when it is not there."""
        self._read_anew()
        name = host.lower().removesuffix(".")
        known = self._names.get(name, ())
        if not known and (name == "localhost" or name.endswith(".localhost")):
            return _LOCALHOST
        return known

    def _read_anew(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp == self._stamp:
                return
            with self._path.open("rb") as file:
                self._names = _names_in(file.read(BYTES_MAX).decode("utf-8", "replace"))
            self._stamp = stamp
        except OSError:  # a system without one, or one that is being replaced
            return


def _names_in(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) < 2 or not _is_address(words[0]):
            continue
        for name in words[1:]:
            found.setdefault(name.lower().removesuffix("."), {})[words[0]] = None
    return {name: tuple(addresses) for name, addresses in found.items()}


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
