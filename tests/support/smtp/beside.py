"""How does a mail server run that cannot be installed beside another one?

Touches processes, namespaces and ``.mtas``, where ``.ci/system-packages test`` unpacks what Debian
lets nobody install together. A server of theirs insists on its user and on fixed folders: both are
there in a mount namespace that ends with it, as all its processes do, and nowhere else. That takes
root; a test that misses root, the namespace or the server is skipped with that reason.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.node.processes import Process

UNPACKED = Path(__file__).parents[3] / ".mtas"
USER_ID = 64_001  # of a user who exists in the namespace alone

_UNSHARE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
_ENTER = """
set -e
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
mount --bind "$3" /mnt
mount -t tmpfs none /var/spool
mount -t tmpfs none /var/lib
mount -t tmpfs none /run
mkdir -p -m 711 "$2"
shift 3
exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server on the disk: the folder that is its ``/``, and its program below that."""

    place: Path
    path: str

    @property
    def program(self) -> str:
        """The program's path in the namespace, where the user of the server may go."""
        return f"/mnt/{self.path}"

    @property
    def environment(self) -> dict[str, str]:
        """How the libraries are found that were unpacked with it."""
        if self.place == Path("/"):
            return {}
        folders = [*self.place.glob("usr/lib/*-linux-gnu"), *self.place.glob("lib/*-linux-gnu")]
        inside = [f"/mnt/{folder.relative_to(self.place)}" for folder in folders]
        return {"LD_LIBRARY_PATH": ":".join(inside)}


def server(name: str, path: str, *, sign: str = "") -> Server:
    """Return where a server is, or skip the test that needs it.

    Args:
        name: the folder below ``.mtas``.
        path: of its program, below that folder or below ``/``.
        sign: the path of a file that no other server has, when ``path`` is none.
    """
    if os.geteuid() != 0:
        pytest.skip(f"{name} starts as root only")
    for place in (UNPACKED / name, Path("/")):
        if (place / (sign or path)).exists():
            _try_namespace()
            return Server(place, path)
    pytest.skip(f"{name} is not installed; ./.ci/system-packages test unpacks it")


def beside(
    server: Server, *arguments: str | Path, folder: Path, users: Sequence[str], home: str
) -> Process:
    """Return a server's process, not yet started.

    Args:
        arguments: of its program, which stays in the foreground.
        folder: the test's, for the server's files.
        users: of the server; each has a group of its name.
        home: a folder that must be there, and that root owns.
    """
    passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    known = {one.pw_name for one in pwd.getpwall()}
    for number, user in enumerate(users, start=USER_ID):
        if user not in known:
            passwd += f"{user}:x:{number}:{number}::{home}:/usr/sbin/nologin\n"
            group += f"{user}:x:{number}:\n"
    (folder / "passwd").write_text(passwd)
    (folder / "group").write_text(group)
    enter = ("sh", "-c", _ENTER, "enter", str(folder), home, str(server.place))
    command = [*_UNSHARE, *enter, server.program, *map(str, arguments)]
    return Process(command, cwd=folder, env=server.environment)


def _try_namespace() -> None:
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    tried = subprocess.run(
        [*_UNSHARE, "mount", "-t", "tmpfs", "none", "/run"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(f"no mount namespace: {tried.stderr.decode().strip()}")
