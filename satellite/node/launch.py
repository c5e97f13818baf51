"""How does a process of a node start: its command, its name in ps, its memory?

Touches the process: its name, what it may import, and, for the parent, what it runs. A node's
memory is that of its processes together.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from common.hang_up import ignore_hang_up

PARENT = "satellite.app.serve"

# Two arenas: a worker's threads allocate little, and each arena keeps what it had.
ARENAS = {"MALLOC_ARENA_MAX": "2"}
# Workers are forked before gRPC has anything that its handlers would have to look after.
NO_FORK_HANDLERS = {"GRPC_ENABLE_FORK_SUPPORT": "0"}


def command(module: str) -> tuple[str, ...]:
    """Return what runs a module of a node, before its own arguments."""
    return (sys.executable, "-m", "satellite.node.launch", module)


def become_parent(config: Path, kept: Mapping[str, str] = MappingProxyType({})) -> None:
    """Go on as the parent of a node, in this process; does not return.

    Args:
        config: its settings file.
        kept: what tells the parent which of our sockets it keeps.

    The command line's own libraries, some ten megabytes, are gone then. SIGHUP does nothing until
    the parent listens for it: a signal that is ignored stays so over execve(2).
    """
    ignore_hang_up()
    sys.stdout.flush()
    sys.stderr.flush()
    # What libc and gRPC read when they are loaded holds for the workers too.
    environment = {**ARENAS, **os.environ, **NO_FORK_HANDLERS, **kept}
    os.execve(sys.executable, [*command(PARENT), str(config)], environment)  # noqa: S606  no shell


def be_named(name: str) -> None:
    """Show as ``name`` in ``ps`` and ``top``: forked processes share one command line.

    Source: proc(5), ``/proc/PID/comm``; the kernel keeps fifteen characters.
    """
    Path("/proc/self/comm").write_text(name, encoding="ascii")


def main(arguments: list[str]) -> int:
    """Run ``MODULE ARGUMENT…``: its function ``main``."""
    module, *rest = arguments
    # structlog's console renderer imports rich wherever it is installed, and rich its highlighters:
    # four megabytes for colours that no log of a node has. Without rich it does without.
    sys.modules["rich"] = None  # type: ignore[assignment]  # what makes an import fail
    return int(importlib.import_module(module).main(rest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
