"""The ``borderscout`` command: which sub-commands are there?

Touches nothing but what it imports: what was typed, since all of it takes a slow processor
seconds and a hundred megabytes.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import typer

from cli.running import NAME, ended

# What is typed first, and what it leads to. Strings, since to import them all takes longer than
# most commands do.
COMMANDS = {
    "demo": "cli.demo:demo",
    "status": "cli.status:status",
    "track": "cli.track:track",
    "doctor": "cli.doctor:doctor",
}
GROUPS = {
    "scan": "cli.scan:app",
    "inventory": "cli.inventory:app",
    "mx": "cli.mx:app",
    "lab": "cli.lab:app",
    "core": "cli.core:app",
    "satellite": "cli.satellite:app",
    "policy": "cli.policy:app",
    "list": "cli.lists:app",
    "dnsbl": "cli.dnsbl:app",
    "threat": "cli.threats:app",
    "weight": "cli.weights:app",
    "definitions": "cli.definitions:app",
    "quarantine": "cli.quarantine:app",
    "learn": "cli.learn:app",
    "report": "cli.report:app",
    "hold": "cli.hold:app",
    "spool": "cli.spool:app",
    "wireguard": "cli.wireguard:app",
}
# What stands in a group and is a file of its own that leans on the group's.
IN_GROUPS = {
    "inventory": {
        "plan": "cli.inventory_plan:plan",
        "decommission": "cli.decommission:decommission",
        "apply": "cli.inventory_apply:apply",
    },
}


def app() -> typer.Typer:
    """Return the command with all that is below it."""
    return _app_with(*COMMANDS, *GROUPS)


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the command with what these arguments can mean: one group of it, or all of it."""
    first = arguments[0] if arguments else ""
    if first == "--version":
        return _app_with()
    return _app_with(first) if first in COMMANDS or first in GROUPS else app()


@cache
def _app_with(*names: str) -> typer.Typer:
    made = typer.Typer(
        name=NAME,
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Border Scout, an e-mail security gateway over several sites.",
    )
    made.callback()(_program)
    for name in names:
        if name in GROUPS:
            made.add_typer(_group(name), name=name)
        else:
            _add_command(made, name, COMMANDS[name])
    return made


def _say_version(is_asked: bool) -> None:
    if is_asked:
        print(f"{NAME} {importlib.metadata.version('border-scout')}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which it is."),
    ] = False,
) -> None:
    """Border Scout, an e-mail security gateway over several sites."""


@cache
def _group(name: str) -> typer.Typer:
    group: typer.Typer = _found(GROUPS[name])
    for command, target in IN_GROUPS.get(name, {}).items():
        _add_command(group, command, target)
    return group


def _add_command(above: typer.Typer, name: str, target: str) -> None:
    module = target.partition(":")[0]
    above.command(name, epilog=_found(f"{module}:EXAMPLE"))(_found(target))


def _found(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; what goes wrong becomes one line on stderr.

    Args:
        arguments: without the program's name; None takes those of this process.
    """
    typed = sys.argv[1:] if arguments is None else arguments
    return ended(app_for(typed), typed)
