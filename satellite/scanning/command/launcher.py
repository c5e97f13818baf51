"""How does a process become a scanner that is held within its bounds?

Touches the process that it is: ``python -I -S launcher.py ORDER``, whose one argument is JSON. It
sets limits, gives up privileges, dies with its worker, and becomes the program, which gets no
descriptor but /dev/null and the two it prints to. On the descriptor ``status`` it says that it has
come so far, and why the program cannot be begun where it cannot; silence after the first word
means that the program runs. A separate process does this, since what runs between fork and exec in
a process with threads must not be Python (subprocess, *preexec_fn*).

Source: setrlimit(2), prctl(2), execve(2).
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import suppress

BEGUN = b"begun"


def main(order: str) -> int:
    """Become the program; return the exit status where that cannot be."""
    asked = json.loads(order)
    status: int = asked["status"]
    os.set_inheritable(status, False)
    sys.path.append(asked["path"])
    from common.die_with_parent import die_with_parent, gain_no_privileges

    die_with_parent(asked["parent"])
    gain_no_privileges()
    os.umask(0o077)
    _heed_all_signals()
    os.write(status, BEGUN)
    try:
        for kind, bound in asked["limits"].items():
            _limit(getattr(resource, kind), bound)
        os.execve(asked["command"][0], asked["command"], asked["environment"])  # noqa: S606
    except (OSError, ValueError) as error:
        os.write(status, str(error).encode()[:500])
    return 1


def _heed_all_signals() -> None:
    """Ignore and block none any more.

    What is ignored stays so in the program, and the interpreter ignores that a file is beyond its
    bound, our workers that their terminal is gone. The two that libc keeps for its threads (32 and
    33) stay as they are: nobody else can name them, and it sets its handler before it sends one.
    """
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError):  # which are valid is libc's word, what can be set the kernel's
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _limit(kind: int, bound: int) -> None:
    """Set a limit, or keep the one that is lower already."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    resource.setrlimit(kind, (bound, bound))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
