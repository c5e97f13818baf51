"""How does each gateway get its clamd?

Touches a process. The same settings for all: a unix socket, one signature, temporary files in
memory (on a disk they cost up to 0.4 ms a message, and drift). A real database is larger and
slower, equally for all.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.bench.groups import PREFIX
from tests.bench.parts import Parts
from tests.bench.templates import EICAR

MEMORY = Path("/dev/shm")  # a tmpfs
GROUP = "clamd"


def remove_leftovers() -> None:
    """Remove the temporary files of runs that did not end in order."""
    for folder in MEMORY.glob(f"{PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def start(parts: Parts) -> Path:
    """Start a clamd among a gateway's processes, and return its socket."""
    folder = parts.folder / "clamd"
    database = folder / "database"
    database.mkdir(parents=True)
    (database / "bench.ndb").write_text(f"Bench.Eicar:0:0:{EICAR.hex()}\n")
    temporary = parts.passing_folder(MEMORY)
    socket = folder / "clamd.sock"
    lines = [
        f"LocalSocket {socket}",
        "LocalSocketMode 666",
        "Foreground yes",
        f"DatabaseDirectory {database}",
        f"TemporaryDirectory {temporary}",
        "User root",
        "MaxThreads 12",
        f"LogFile {folder / 'clamd.txt'}",
        "StreamMaxLength 100M",
        "Bytecode no",
    ]
    (folder / "clamd.conf").write_text("\n".join(lines) + "\n")
    parts.spawn(GROUP, ["clamd", "-c", str(folder / "clamd.conf")])
    parts.wait_for_file(socket, "clamd")
    return socket
