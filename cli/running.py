"""How does a command end: with which exit code, and in which words?

Touches the terminal. Exit codes: 0 done, 1 failed, 2 wrong usage; 78 wrong settings of what a
service manager runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from typer.exceptions import Abort, TyperException

from cli.output import complain, complain_of_settings
from common.errors import BorderScoutError, SettingsError

NAME = "borderscout"
FAILED = 1


def ended(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; what goes wrong becomes one line on stderr.

    Args:
        app: the commands that there are.
        arguments: without the program's name; None takes those of this process.
    """
    try:
        return int(app(arguments, prog_name=NAME, standalone_mode=False) or 0)
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
    command = context.command_path if context is not None else NAME
    what = " ".join(message.split())  # what may be chosen comes a line each
    complain(f"{what.rstrip('.,')}; see {command} --help")
