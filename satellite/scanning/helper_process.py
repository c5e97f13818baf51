"""What does the helper process run on hostile mail, within which limits?

A process of its own: ``python -m satellite.scanning.helper_process FD PARENT``. It takes one
message at a time from the socket FD, runs one of its jobs on it, and answers. It bounds its own
memory, gives up network, files and processes, and dies with its worker, whatever kills that. It has
no descriptor but the socket and /dev/null: whoever starts it lets nothing else through. It catches
nothing that a job raises: its death is the answer, and the worker counts deaths.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from common.die_with_parent import die_with_parent, gain_no_privileges
from common.errors import LocalError
from common.hang_up import ignore_hang_up
from satellite.scanning.frames import head_of, receive
from satellite.scanning.isolation import NotIsolated, isolate

Job = Callable[[bytes], Mapping[str, Any]]

FILES_MAX = 64  # open at once; a job needs a handful


def main(descriptor: int, parent: int) -> int:
    """Serve until the worker closes the socket; return the exit status."""
    die_with_parent(parent)
    ignore_hang_up()
    gain_no_privileges()
    with socket.socket(fileno=descriptor) as connection:
        start = receive(connection)
        if start is None:
            return 0
        fields, _ = start
        sys.path[:] = fields["path"]
        try:
            jobs = {name: prepared(*job) for name, job in fields["jobs"].items()}
        except (ImportError, AttributeError, LocalError) as error:
            connection.sendall(head_of({"failed": str(error)[:1000]}, 0))
            return 1
        base_bytes = confine(memory_bytes=fields["memory_bytes"])
        ready = {"ready": os.getpid(), "base_bytes": base_bytes, "not_isolated": _isolated()}
        connection.sendall(head_of(ready, 0))
        serve(connection, jobs)
    return 0


def serve(connection: socket.socket, jobs: Mapping[str, Job]) -> None:
    """Answer one message after the other."""
    while (request := receive(connection)) is not None:
        fields, content = request
        if fields["path"] is not None:
            content = Path(fields["path"]).read_bytes()
        if len(content) != fields["size"]:
            raise ValueError("this is not the whole message")
        answer = jobs[fields["job"]](content)
        del content, request  # a large message must not count against the next one
        connection.sendall(head_of({"id": fields["id"], "answer": answer}, 0))


def _isolated() -> str:
    """Isolate this process; return why that cannot be, empty when it is done.

    It serves all the same: a node whose kernel has no filters still reads mail, and says so.
    """
    try:
        isolate()
    except NotIsolated as error:
        return str(error)
    return ""


def prepared(target: str, options: Mapping[str, Any]) -> Job:
    """Return the job that ``MODULE:FUNCTION`` makes of ``options``.

    Raises:
        ImportError, AttributeError: there is no such function.
        LocalError: it does not like the options.
    """
    module, _, function = target.partition(":")
    job: Job = getattr(import_module(module), function)(options)
    return job


def confine(*, memory_bytes: int) -> int:
    """Bound what the process may use from now on; return the address space it has already.

    What the interpreter and the compiled rules reserve differs between machines, so the bound
    counts from there.
    """
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    base_bytes = pages * resource.getpagesize()
    bounds = {
        resource.RLIMIT_AS: base_bytes + memory_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: FILES_MAX,
    }
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))
    return base_bytes


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
