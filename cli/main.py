"""The ``borderscout`` command: which sub-commands are there?

Touches nothing but what it imports: all of them.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from cli import (
    core,
    decommission,
    definitions,
    demo,
    dnsbl,
    doctor,
    hold,
    inventory,
    inventory_apply,
    inventory_plan,
    lab,
    learn,
    lists,
    mx,
    policy,
    quarantine,
    report,
    satellite,
    scan,
    spool,
    status,
    threats,
    track,
    weights,
    wireguard,
)
from cli.running import NAME, ended

app = typer.Typer(
    name=NAME,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Border Scout, an e-mail security gateway over several sites.",
)


def _say_version(is_asked: bool) -> None:
    if is_asked:
        print(f"borderscout {importlib.metadata.version('border-scout')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which it is."),
    ] = False,
) -> None:
    """Border Scout, an e-mail security gateway over several sites."""


app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
app.command("status", epilog=status.EXAMPLE)(status.status)
app.command("track", epilog=track.EXAMPLE)(track.track)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
for name, group in (
    ("scan", scan.app),
    ("inventory", inventory.app),
    ("mx", mx.app),
    ("lab", lab.app),
    ("core", core.app),
    ("satellite", satellite.app),
    ("policy", policy.app),
    ("list", lists.app),
    ("dnsbl", dnsbl.app),
    ("threat", threats.app),
    ("weight", weights.app),
    ("definitions", definitions.app),
    ("quarantine", quarantine.app),
    ("learn", learn.app),
    ("report", report.app),
    ("hold", hold.app),
    ("spool", spool.app),
    ("wireguard", wireguard.app),
):
    app.add_typer(group, name=name)


inventory.app.command("plan", epilog=inventory_plan.EXAMPLE)(inventory_plan.plan)
inventory.app.command("decommission", epilog=decommission.EXAMPLE)(decommission.decommission)
inventory.app.command("apply", epilog=inventory_apply.EXAMPLE)(inventory_apply.apply)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; what goes wrong becomes one line on stderr.

    Args:
        arguments: without the program's name; None takes those of this process.
    """
    return ended(app, arguments)
