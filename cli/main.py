"""The ``borderscout`` command: which sub-commands are there?

Touches the terminal. Exit codes: 0 done, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import sys

import typer

from cli import (
    core,
    demo,
    doctor,
    inventory,
    lists,
    mx,
    policy,
    quarantine,
    report,
    satellite,
    spool,
    status,
    track,
)
from cli.output import plain
from common.errors import BorderScoutError, SettingsError

app = typer.Typer(
    name="borderscout",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Border Scout, an e-mail security gateway over several sites.",
)

app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
app.command("status", epilog=status.EXAMPLE)(status.status)
app.command("track", epilog=track.EXAMPLE)(track.track)
app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
for name, group in (
    ("inventory", inventory.app),
    ("mx", mx.app),
    ("core", core.app),
    ("satellite", satellite.app),
    ("policy", policy.app),
    ("list", lists.app),
    ("quarantine", quarantine.app),
    ("report", report.app),
    ("spool", spool.app),
):
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command; what our own code refuses becomes one line on stderr."""
    try:
        app()
    except SettingsError as error:
        for complaint in error.complaints:
            print(plain(complaint), file=sys.stderr)
        sys.exit(1)
    except BorderScoutError as error:
        print(f"borderscout: {plain(error)}", file=sys.stderr)
        sys.exit(1)
