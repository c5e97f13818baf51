"""How does a command show what it found?

Touches the terminal. Results go to stdout, errors to stderr as one line; text from mail never
carries control characters to the screen, not even inside JSON. A table that goes into a pipe is as
wide as it needs, one row on a line; on a terminal its ids stay whole and its texts wrap.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from common.errors import SettingsError
from common.exit_status import WRONG_SETTINGS
from common.records.bounds import TIME_US_MAX

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, or one on a line.")]

PIPE_COLUMNS = 1000  # wide enough for a row with a reason of 500 characters
LONG_ROWS = 200  # of a table; rich needs half a millisecond for each, whatever it has to wrap
GAP = "  "  # between two columns

# Markup and emoji are ways in for text from mail; lines are wrapped by the terminal, not by us.
console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def fail(message: str, *, status: int = 1) -> NoReturn:
    """End the command with one line on stderr.

    Args:
        message: what, where, what to do.
        status: 1 failed, 2 wrong usage.
    """
    complain(message)
    raise typer.Exit(status)


def complain(message: str) -> None:
    """Print one line on stderr."""
    print(f"borderscout: {plain(message)}", file=sys.stderr)


def complain_of_settings(error: SettingsError) -> None:
    """Print what is wrong in a file, a line each, on stderr."""
    for complaint in error.complaints:
        print(plain(complaint), file=sys.stderr)


@contextmanager
def settings_of_a_service() -> Iterator[None]:
    """End the command so that a service manager does not start it again with wrong settings."""
    try:
        yield
    except SettingsError as error:
        complain_of_settings(error)
        raise typer.Exit(WRONG_SETTINGS) from None


def say_warnings(found: Mapping[str, Any]) -> None:
    """Print what the core finds odd about a change that it made, on stderr."""
    for warning in found["warnings"]:
        complain(f"warning: {warning}")


def plain(value: object) -> str:
    """Return text that is safe on a terminal: one line, nothing that moves the cursor."""
    return "".join(c if c.isprintable() else "�" for c in str(value))


def print_json(value: Any) -> None:
    """Print one JSON object; what a terminal would obey is written as an escape."""
    text = json.dumps(value, ensure_ascii=False)
    print("".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text))


def print_lines(values: Iterable[Any]) -> None:
    """Print one JSON object on each line."""
    for value in values:
        print_json(value)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    indent: int = 0,
) -> None:
    """Print a table.

    Args:
        columns: their titles; ``>`` before one sets it to the right, ``!`` keeps it whole.
        rows: cells of text, or of rich text that we made.
        title: above the table.
        indent: blanks before each line.
    """
    cells = [[_cell(cell) for cell in row] for row in rows]
    wide = Console(highlight=False, width=_width())
    if title:  # of its own: a table's would be folded at the table's width
        console.print(plain(title))
    if len(cells) >= LONG_ROWS and _print_at_once(wide, columns, cells, indent):
        return
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        whole = column.startswith(("!", ">"))
        table.add_column(
            column.lstrip("!>"),
            justify="right" if column.startswith(">") else "left",
            no_wrap=whole,
            min_width=max((row[number].cell_len for row in cells), default=0) if whole else None,
            overflow="fold",  # nothing is cut off: a reason that ends in … explains nothing
        )
    for row in cells:
        table.add_row(*row)
    wide.print(Padding(table, (0, 0, 0, indent), expand=False))


def _print_at_once(
    wide: Console, columns: Sequence[str], cells: Sequence[Sequence[Text]], indent: int
) -> bool:
    """Print a table in which nothing needs to wrap, as rich would; return whether it is one."""
    head = [Text(column.lstrip("!>"), "table.header") for column in columns]
    lines = [head, *cells]
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    if indent + sum(widths) + len(GAP) * (len(widths) - 1) > wide.width:
        return False
    is_right = [column.startswith(">") for column in columns]
    styled = _styled_by(wide)
    for line in lines:
        row = [
            _padded(styled(cell), width - cell.cell_len, is_right=right)
            for cell, width, right in zip(line, widths, is_right, strict=True)
        ]
        print(" " * indent + GAP.join(row))
    return True


def _padded(text: str, blanks: int, *, is_right: bool) -> str:
    return " " * blanks + text if is_right else text + " " * blanks


def _styled_by(wide: Console) -> Callable[[Text], str]:
    """Return what shows a cell as rich does; of very many those with a style are mostly alike."""
    shown: dict[tuple[str, str], str] = {}

    def styled(cell: Text) -> str:
        if not (cell.style or cell.spans):
            return cell.plain
        key = (cell.plain, f"{cell.style} {cell.spans}")
        if key not in shown:
            with wide.capture() as captured:
                wide.print(cell, end="")
            shown[key] = captured.get()
        return shown[key]

    return styled


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print a name and what it is on each line, folded below itself; empty ones are left out."""
    width = max((len(name) for name, _ in facts), default=0)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", min_width=width, no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts:
        if fact:
            table.add_row(_cell(name), _cell(fact))
    Console(highlight=False, width=_width()).print(Padding(table, (0, 0, 0, 2), expand=False))


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Text(plain(value))


def _width() -> int | None:
    """Return how wide a table may be; None is the terminal's width."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return None
    return PIPE_COLUMNS


def when(time_us: int | None) -> str:
    """Return a time as people read it, UTC."""
    if not time_us:
        return "-"
    seconds = min(time_us, TIME_US_MAX) // 1_000_000
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock_time(text: str) -> str:
    """Return a time of the API (ISO 8601, UTC) as people read it."""
    return text[:19].replace("T", " ")


def value_text(value: Any) -> str:
    """Return a value of a document as people read it, and type it."""
    if value is None:
        return "none"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def octets(count: int) -> str:
    """Return a size as people read it."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"


def seconds_since(text: str) -> float:
    """Return how long ago a time of the API was; below 0 when it is yet to come."""
    return (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()


def span(seconds: float | None) -> str:
    """Return a duration as people read it."""
    if seconds is None:
        return "-"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def age_of(made_us: int) -> str:
    """Return how old something is that was made at a time; 0: nobody knows."""
    return span(max(0.0, time.time() - made_us / 1e6)) if made_us else "-"


COLOURS = {
    "delivered": "green",
    "live": "green",
    "clean": "green",
    "quarantined": "yellow",
    "dropped": "magenta",
    "bounced": "red",
    "expired": "red",
    "damaged": "red",
    "silent": "red",
    "refusing": "red",
    "infected": "red",
    "unavailable": "red",
    "timeout": "red",
    "error": "red",
    "held": "yellow",
    "waiting": "yellow",
    "deferred": "yellow",
    "catching up": "yellow",
    "done": "green",
    "loading": "yellow",
    "failed": "red",
    "away": "red",
    "ahead": "red",
}


def coloured(word: str) -> Text:
    """Return a state or outcome in its colour."""
    return Text(plain(word), style=COLOURS.get(word, ""))
