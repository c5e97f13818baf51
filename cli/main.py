"""The ``borderscout`` command: which sub-commands are there?

Touches the terminal. Exit codes: 0 done, 1 failed, 2 wrong usage; 78 wrong
settings of what a service manager runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from typer.exceptions import Abort, TyperException

from cli import (
    core,
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
from cli.output import complain, complain_of_settings
from common.errors import BorderScoutError, SettingsError

FAILED = 1

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
inventory.app.command("apply", epilog=inventory_apply.EXAMPLE)(inventory_apply.apply)


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; what goes wrong becomes one line on stderr.

    Args:
        arguments: without the program's name; None takes those of this process.
    """
    try:
        return int(app(arguments, prog_name="borderscout", standalone_mode=False) or 0)
    except TyperException as error:
        _complain_of_usage(error)
        return error.exit_code
    except Abort:
        complain("aborted; nothing was done")
    except SettingsError as error:
        complain_of_settings(error)
    except BorderScoutError as error:
        complain(str(error))
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        complain(f"{named}{error.strerror or error}; check the file and its rights")
    return FAILED


def _complain_of_usage(error: TyperException) -> None:
    message = error.format_message()
    if message.startswith("Usage: "):  # a group without a command: its help
        print(message, file=sys.stderr)
        return
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "borderscout"
    what = " ".join(message.split())  # what may be chosen comes a line each
    complain(f"{what.rstrip('.,')}; see {command} --help")
