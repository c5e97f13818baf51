"""How does a test get a real PostgreSQL server?

Touches a temporary folder and a Unix socket in it; no port is opened. The server refuses to run as
root, so there it runs as ``nobody``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DEADLINE_S = 60.0


def programs() -> Path | None:
    """Return the folder of the newest server that Debian's packages installed, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


@contextmanager
def server(bin_folder: Path) -> Iterator[str]:
    """Run a server with an empty database; give its URL."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = "nobody" if os.geteuid() == 0 else None
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data = folder / "data"
    try:
        subprocess.run(
            [bin_folder / "initdb", "-D", data, "-U", "scout", "-A", "trust", "-E", "UTF8"],
            user=user,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        with _running([bin_folder / "postgres", "-D", data, "-k", folder, "-h", ""], user, folder):
            yield f"postgresql://scout@/postgres?host={folder}"
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(command: list[Path | str], user: str | None, folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, user=user, cwd=folder, stdout=log, stderr=log)
        try:
            ends = time.monotonic() + DEADLINE_S
            while b"ready to accept connections" not in (folder / "log").read_bytes():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < ends, "the server did not start"
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
