"""What does the page of all commands say?

Pure. It is made from the commands themselves, and a test finds what is missing there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from typer.main import get_command

from cli.main import app

PAGE = "cli.md"

HEAD = """# The command line

Every command has `--help` with an example. What shows something has `--json`: one object, or one
object on each line for lists. Results go to stdout; an error is one line on stderr that says what,
where and what to do.

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed; `scan`: something was found |
| 2 | wrong usage; `mx plan --against`: there are differences; `scan`: something was not scanned |
| 78 | `core serve`, `satellite serve` and `scan serve`: the settings are wrong |

Commands that talk to the core take its address from `--url` or `BORDERSCOUT_URL`, and its token
from `--token-file` or `BORDERSCOUT_TOKEN`. The token file is `token` in the core's folder, 0600.

`SCOPE` is `cluster`, `customer/NAME`, `domain/NAME` or `recipient/ADDRESS`; the nearer one wins.
`PATTERN` is an address, a domain, `.domain` for it and all below, or a network. `ID` is the id that
`track`, `quarantine list` and `spool list` show.

This page is drawn from the commands by `make docs`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An option or an argument."""

    name: str
    shown: str  # with what it takes
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, or a group of them."""

    name: str
    is_group: bool
    meaning: str
    example: str
    arguments: tuple[Parameter, ...]
    options: tuple[Parameter, ...]


def commands(root: Any, path: tuple[str, ...] = ()) -> Iterator[Command]:
    """Yield a command with all below it, in the order of their names.

    Args:
        root: what ``typer.main.get_command`` returns.
        path: the names above.
    """
    children: Mapping[str, Any] = getattr(root, "commands", {})
    yield _command(root, path, is_group=hasattr(root, "commands"))
    for name in sorted(children):
        yield from commands(children[name], (*path, name))


def _command(found: Any, path: tuple[str, ...], *, is_group: bool) -> Command:
    with found.make_context(" ".join(path), [], resilient_parsing=True) as context:
        records = [(one.param_type_name, one.get_help_record(context)) for one in found.params]

    def of(kind: str) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(
                name=record[0].partition(" ")[0],
                shown=record[0],
                meaning=" ".join(record[1].split()),
            )
            for its_kind, record in records
            if record is not None and its_kind == kind
        )

    return Command(
        name=" ".join(path),
        is_group=is_group,
        meaning=" ".join((found.help or "").split()),
        example=found.epilog or "",
        arguments=of("argument"),
        options=of("option"),
    )


def reference(root: Any) -> str:
    """Return the page."""
    parts = [HEAD]
    group = ""
    found = (command for command in commands(root) if not command.is_group)
    for command in sorted(found, key=lambda one: (" " in one.name, one.name)):
        first = command.name.split()[0] if " " in command.name else "everything"
        if first != group:
            group = first
            parts.append(f"## {group}\n" if group != "everything" else "## By themselves\n")
        parts.append(_section(command))
    return "\n".join(parts)


def _section(command: Command) -> str:
    lines = [f"### `borderscout {command.name}`\n", f"{command.meaning}\n"]
    lines += [f"```\n{command.example.removeprefix('Example: ')}\n```\n"]
    rows = [
        f"| `{one.shown.replace('|', chr(92) + '|')}` | {one.meaning} |"
        for one in (*command.arguments, *command.options)
    ]
    if rows:
        lines += ["| | |\n|---|---|", *rows, ""]
    return "\n".join(lines)


def text() -> str:
    """Return the page."""
    return reference(get_command(app()))
