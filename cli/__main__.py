"""How does the program begin, and what does an interrupt do before it has?

Touches the signal and what is typed. To load a command takes a slow processor seconds; whoever
thinks better of it meanwhile is shown no traceback: nothing was begun, and the process just ends.
"""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line of this process."""
    # An interrupt that is ignored, as nohup wants it, stays so.
    is_heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from cli.main import app_for
    from cli.running import ended

    typed = sys.argv[1:]
    app = app_for(typed)
    if is_heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(ended(app, typed))


if __name__ == "__main__":
    main()
