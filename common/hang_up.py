"""How is SIGHUP kept from ending a process?

Touches the process. A service manager asks with SIGHUP to read settings anew, and a terminal that
is closed sends it to all processes in it. By default it ends a process; ours go on, and those that
can read something anew do.

Source: signal(7); daemon(7), *SIGHUP*.
"""

from __future__ import annotations

import signal
import threading


def ignore_hang_up() -> None:
    """Let SIGHUP do nothing to this process, nor to those that it starts from now on.

    What is ignored stays ignored in a process that is forked, and over execve(2). A command that is
    called in a thread is not the program, and leaves it as it is.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
