"""How does a command wait for what the core tells only when it is asked?

Touches the clock and the terminal. It looks at once and then at intervals, shows how far it is, and
ends with what was seen last. The work is the core's and the nodes': whoever is interrupted reads
what goes on without him.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import typer

from cli.output import complain
from cli.progress import progress_bar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Glance(Generic[T]):
    """What one look has found.

    Args:
        found: the answer.
        is_over: nothing is waited for any more.
        what, done, total: how far it is, as ``progress_bar`` shows it.
    """

    found: T
    is_over: bool
    what: str
    done: int = 0
    total: int | None = None


def poll(
    look: Callable[[float], Glance[T]], *, every_s: float, within_s: float, interrupted: str
) -> Glance[T]:
    """Look until it is over, or the time is, and return what was seen last.

    Args:
        look: asks; it is given for how long was waited by now, in seconds.
        every_s: between two looks.
        within_s: so long at most; infinite where ``look`` says itself when it is too long.
        interrupted: said to whoever interrupts it, after which the command ends with exit code 1.
    """
    began_s = time.monotonic()
    try:
        with progress_bar(says_lines=True) as step:
            while True:
                seen = look(time.monotonic() - began_s)
                step(seen.what, seen.done, seen.total)
                if seen.is_over or time.monotonic() - began_s >= within_s:
                    return seen
                time.sleep(every_s)  # the core has no call that waits; a person watches
    except KeyboardInterrupt:
        complain(f"interrupted; {interrupted}")
        raise typer.Exit(1) from None
