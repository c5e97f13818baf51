"""Which of the commands are loaded for what was typed?

Touches nothing but what is imported. All of them together take a slow processor seconds, and a
hundred megabytes; what a service manager starts on every machine, and what a node is told while it
joins, needs a tenth of them, and has them alone.
"""

from __future__ import annotations

import sys

import typer

from cli.running import NAME, ended


def main() -> None:
    """Run the command line of this process."""
    sys.exit(ended(_app(sys.argv[1] if len(sys.argv) > 1 else "")))


def _app(word: str) -> typer.Typer:
    """Return the commands that begin with a word; all of them for any other one."""
    match word:
        case "core":
            from cli.core import app as group
        case "satellite":
            from cli.satellite import app as group
        case "wireguard":
            from cli.wireguard import app as group
        case _:
            from cli.main import app as every

            return every
    alone = typer.Typer(name=NAME, rich_markup_mode=None, pretty_exceptions_enable=False)
    alone.add_typer(group, name=word)
    return alone
