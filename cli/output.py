"""How does a command show what it found?

Touches the terminal. Results go to stdout, errors to stderr as one line; text from mail never
carries control characters to the screen.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, or one on a line.")]

console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def fail(message: str, *, status: int = 1) -> NoReturn:
    """End the command with one line on stderr.

    Args:
        message: what, where, what to do.
        status: 1 failed, 2 wrong usage.
    """
    print(f"borderscout: {plain(message)}", file=sys.stderr)
    raise typer.Exit(status)


def plain(value: object) -> str:
    """Return text that is safe on a terminal: one line, nothing that moves the cursor."""
    return "".join(c if c.isprintable() else "�" for c in str(value))


def print_json(value: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(value, ensure_ascii=False))


def print_lines(values: Iterable[Any]) -> None:
    """Print one JSON object on each line."""
    for value in values:
        print_json(value)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = ""
) -> None:
    """Print a table; a cell is text, or rich text that we made."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if right else "left")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row))
    console.print(table)


def when(time_us: int | None) -> str:
    """Return a time as people read it, UTC."""
    if not time_us:
        return "-"
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float | None) -> str:
    """Return a duration as people read it."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


COLOURS = {
    "delivered": "green",
    "live": "green",
    "clean": "green",
    "quarantined": "yellow",
    "dropped": "magenta",
    "bounced": "red",
    "expired": "red",
    "silent": "red",
    "infected": "red",
    "unavailable": "red",
    "held": "yellow",
    "waiting": "yellow",
    "deferred": "yellow",
    "catching up": "yellow",
}


def coloured(word: str) -> Text:
    """Return a state or outcome in its colour."""
    return Text(plain(word), style=COLOURS.get(word, ""))
