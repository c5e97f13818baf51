"""How does a command show that it is at work, and how far it is?

Touches the terminal: a bar on stderr, once the work has taken a second. Where no terminal is, a
command that waits for others says a line now and then, so that a log of it tells why it lasts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import complain, span

PATIENCE_S = 1.0  # what is done sooner needs no bar
FIRST_LINE_S = 10.0  # what is done sooner needs no line in a log
LINE_S = 60.0  # between two lines: an hour is sixty


class ProgressLines:
    """The lines of a command that lasts, where no terminal is.

    Args:
        began_s: by the monotonic clock, in seconds.
    """

    def __init__(self, began_s: float) -> None:
        self._began_s = began_s
        self._due_s = began_s + FIRST_LINE_S

    def line(self, what: str, done: int, total: int | None, *, now_s: float) -> str:
        """Return what is to be said now; empty: nothing.

        Args:
            what, done, total: as for the function of ``progress_bar``.
            now_s: the monotonic clock, in seconds.
        """
        if now_s < self._due_s:
            return ""
        self._due_s = now_s + LINE_S
        far = "" if total is None else f", {done} of {total}"
        return f"{what}{far}, after {span(now_s - self._began_s)}"


@contextmanager
def progress_bar(*, says_lines: bool = False) -> Iterator[Callable[[str, int, int | None], None]]:
    """Give a function that takes what is done, how many are, and of how many; None: unknown.

    Args:
        says_lines: whether a line is said now and then where no terminal is.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("reading", total=None)
    timer = threading.Timer(PATIENCE_S, bar.start)
    timer.daemon = True
    lines = ProgressLines(time.monotonic())
    timer.start()

    def step(what: str, done: int, total: int | None) -> None:
        bar.update(task, description=what, completed=done, total=total)
        if says_lines and not console.is_terminal:
            line = lines.line(what, done, total, now_s=time.monotonic())
            if line:
                complain(line)

    try:
        yield step
    finally:
        timer.cancel()
        timer.join()  # a bar that begins now would never end
        bar.stop()
