"""How does a command show that it is at work, and how far it is?

Touches the terminal: a bar on stderr, once the work has taken a second; none where nobody looks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

PATIENCE_S = 1.0  # what is done sooner needs no bar


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int | None], None]]:
    """Give a function that takes what is done, how many are, and of how many; None: unknown."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("reading", total=None)
    timer = threading.Timer(PATIENCE_S, bar.start)
    timer.daemon = True
    timer.start()

    def step(what: str, done: int, total: int | None) -> None:
        bar.update(task, description=what, completed=done, total=total)

    try:
        yield step
    finally:
        timer.cancel()
        timer.join()  # a bar that begins now would never end
        bar.stop()
