"""Does whoever typed the command want what cannot be taken back?

Touches the terminal.
"""

from __future__ import annotations

import sys

import typer

from cli.output import fail, plain


def confirm(what: str, *, yes: bool) -> None:
    """Go on only when somebody has agreed; without a terminal, only with ``--yes``."""
    if yes:
        return
    if not sys.stdin.isatty():
        fail(f"{what}; say --yes when this is wanted", status=2)
    typer.confirm(f"{plain(what)}. Go on?", abort=True, err=True)
