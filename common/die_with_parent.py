"""How does a process die with its parent?

Touches the process. Whatever kills the parent, the kernel ends the child: a worker without its
parent would hold its shard and listen where nobody watches it, a helper without its worker would
wait for ever. Source: prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill us when our parent dies; end at once when it has died already.

    The kernel looks at the *thread* that started us: it must live as long as the parent's process
    does, as the thread of its event loop does, and those of the loop's own executor.

    Args:
        parent: the process that started us.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before we asked


def gain_no_privileges() -> None:
    """Give up for good what a set-user-id program could gain for us, or for who comes after us.

    Raises:
        OSError: the kernel refuses.
    """
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
