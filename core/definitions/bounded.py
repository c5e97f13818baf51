"""How does a process become a program that is held within its bounds?

Touches the process that it is: ``python -I -S bounded.py ORDER``, whose one argument is JSON: the
folder of our code, who started it, the limits, the command. It dies with the core, gains no
privileges and sets its limits before it becomes the program. A separate process does this, since
what runs between fork and exec in a process with threads must not be Python.

Source: setrlimit(2), prctl(2), execve(2); subprocess, *preexec_fn*.
"""

from __future__ import annotations

import json
import os
import resource
import sys

CANNOT_BEGIN = 127  # as a shell says it


def main(order: str) -> int:
    """Become the program; return the exit status where that cannot be."""
    asked = json.loads(order)
    sys.path.append(asked["path"])
    from common.die_with_parent import die_with_parent, gain_no_privileges

    die_with_parent(asked["parent"])
    gain_no_privileges()
    os.umask(0o077)
    try:
        for kind, bound in asked["limits"].items():
            _limit(getattr(resource, kind), bound)
        os.execve(asked["command"][0], asked["command"], asked["environment"])  # noqa: S606
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{asked['command'][0]} cannot be started: {error}\n")
    return CANNOT_BEGIN


def _limit(kind: int, bound: int) -> None:
    """Set a limit, or keep the one that is lower already."""
    _, hard = resource.getrlimit(kind)
    lowest = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
    resource.setrlimit(kind, (lowest, lowest))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
