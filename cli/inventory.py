"""``borderscout inventory``: is the description of the cluster right, and what follows from it?

Touches the files that it is told to read and write, and the terminal.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from cli import issuer, joining
from cli.client import Client, TokenFile, Url
from cli.progress import progress_bar
from common.counted import counted
from common.errors import BorderScoutError
from common.settings.reading import Complaint
from inventory.included import INCLUDING
from inventory.load import Examined, counts_of, examine
from inventory.model import Inventory
from inventory.ports import was_on_loopback
from inventory.render.folder import render_folder, strangers
from inventory.render.folder_check import check_folder
from inventory.render.revocation import copies_after, revoke_node
from inventory.schema import schema_of

FAILED = 1
WRONG_USAGE = 2

app = typer.Typer(
    no_args_is_help=True,
    help="Check the inventory, render what each node needs, and apply what has changed.",
    rich_markup_mode=None,
)
app.add_typer(issuer.app, name="issuer")
app.command("join-token", epilog="Example: borderscout inventory join-token lon1 --for 2h")(
    joining.join_token
)
app.command("members", epilog="Example: borderscout inventory members")(joining.members)
app.command("rotate-keys", epilog="Example: borderscout inventory rotate-keys lon1")(
    joining.rotate_keys
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The inventory, YAML.")]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--authority",
        metavar="DIR",
        help="The folder with the authority's key, such as a disk that lies in a safe.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(epilog="Example: borderscout inventory check inventory/example.yaml")
def check(file: File, as_json: Json = False) -> None:
    """Say everything that is wrong with an inventory, each with its line.

    Exit 0 without errors (warnings alone are none), 1 with errors.
    """
    with progress_bar() as progress:
        examined = examine(file, progress=progress)
    complain(examined)
    counts = None if examined.inventory is None else counts_of(examined.inventory)
    if as_json:
        print(
            json.dumps(
                {
                    "ok": not examined.errors,
                    "errors": [_complaint_json(one) for one in examined.errors],
                    "warnings": [_complaint_json(one) for one in examined.warnings],
                    "counts": counts,
                }
            )
        )
    elif counts is not None:
        print(
            f"{file}: "
            + ", ".join(counted(number, what.removesuffix("s")) for what, number in counts.items())
        )
    if examined.errors:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: borderscout inventory schema > inventory.schema.json")
def schema(
    part: Annotated[
        str | None,
        typer.Argument(metavar="[PART]", help=f"Of an included file: {', '.join(INCLUDING)}."),
    ] = None,
) -> None:
    """Print the JSON Schema of an inventory, with which an editor completes and explains its keys.

    Write "# yaml-language-server: $schema=inventory.schema.json" as the first line of the YAML.
    """
    if part is not None and part not in INCLUDING:
        say(f"there is no part {part!r}; name one of {', '.join(INCLUDING)}, or none")
        raise typer.Exit(WRONG_USAGE)
    print(json.dumps(schema_of(part), indent=2))


@app.command(
    epilog="Example: borderscout inventory render inventory/example.yaml --out cluster --loopback"
)
def render(
    file: File,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the folders go.")],
    loopback: Annotated[
        bool,
        typer.Option("--loopback", help="Everything on 127.0.0.1, on free ports; needs no root."),
    ] = False,
    authority: Authority = None,
    as_json: Json = False,
) -> None:
    """Write a folder for each node, with all that it needs, and endpoints.json.

    The same inventory gives the same files. Keys, certificates, ports and the token are made once
    and kept in DIR. Nothing is written when the inventory has an error.
    """
    inventory = read(file)
    try:
        with progress_bar() as progress:
            endpoints = render_folder(
                inventory,
                out,
                loopback=loopback,
                now_us=time.time_ns() // 1000,
                elsewhere=authority,
                progress=progress,
            )
    except BorderScoutError as error:
        fail(str(error))
    for name in strangers(inventory, out):
        say(f"{out / name}: belongs to no node of the inventory; remove it if its mail is gone")
    if as_json:
        print(json.dumps(endpoints))
    else:
        _show(endpoints, out)


@app.command(epilog="Example: borderscout inventory revoke lon1")
def revoke(
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node that was stolen.")],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Of a rendered node.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Of a rendered node: the rendered folder."),
    ] = None,
    authority: Authority = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: Json = False,
) -> None:
    """Let in nothing of what a node has by now.

    Of one that has joined, the core does it within seconds: its certificates and its WireGuard key
    are worth nothing, and its open streams end. Of one whose keys were rendered, with FILE and
    --out: they are made anew, and it is said what to copy where.
    """
    if file is None and out is None:
        joining.revoke_member(Client(url, token_file), node, as_json=as_json)
        return
    if file is None or out is None:
        say("of a rendered node FILE and --out are needed, of one that has joined neither")
        raise typer.Exit(WRONG_USAGE)
    _revoke_rendered(node, file, out, authority=authority, as_json=as_json)


def _revoke_rendered(
    node: str, file: Path, out: Path, *, authority: Path | None, as_json: bool
) -> None:
    inventory = read(file)
    if node not in {one.name for _, one in inventory.nodes()}:
        fail(f"{file}: has no node {node}; one that is gone from it is let in no more as it is")
    now_us = time.time_ns() // 1000
    try:
        # A folder that would not be rendered is not touched: it may be another cluster's.
        check_folder(inventory, out, now_us=now_us, elsewhere=authority)
        revoke_node(out, node)
        render_folder(
            inventory,
            out,
            loopback=was_on_loopback(out),
            now_us=now_us,
            elsewhere=authority,
        )
    except BorderScoutError as error:
        fail(str(error))
    copies = copies_after(out, node, cores=inventory.core.machines())
    if as_json:
        print(json.dumps({"node": node, "copy": [asdict(copy) for copy in copies]}))
        return
    print(f"{node}: what it had is revoked; copy now, in this order:")
    for copy in copies:
        then = f", then: {copy.then}" if copy.then else ""
        print(f"  {copy.file} -> {copy.machine}:{copy.to}{then}")


def read(file: Path) -> Inventory:
    """Return an inventory; with errors, print them and end with exit code 1."""
    with progress_bar() as progress:
        examined = examine(file, progress=progress)
    complain(examined)
    if examined.inventory is None:
        raise typer.Exit(FAILED)
    return examined.inventory


def complain(examined: Examined) -> None:
    """Print errors and warnings to stderr, one line each and never wrapped."""
    for warning in examined.warnings:
        text = str(warning)
        place = f"{warning.file}:{warning.line}:{warning.column}:"
        say(f"{place} warning:{text.removeprefix(place)}")
    for error in examined.errors:
        say(str(error))


def say(line: str) -> None:
    """Print one line to stderr."""
    print(line, file=sys.stderr)


def fail(line: str) -> NoReturn:
    """Print one line to stderr and end with exit code 1."""
    say(line)
    raise typer.Exit(FAILED)


def _complaint_json(complaint: Complaint) -> dict[str, Any]:
    return {
        "file": complaint.file,
        "line": complaint.line,
        "column": complaint.column,
        "what": complaint.what,
        "remedy": complaint.remedy,
    }


def _show(endpoints: dict[str, Any], out: Path) -> None:
    core = endpoints["core"]
    table = Table("node", "site", "address", "settings")
    table.add_row("core", "", core["url"], core["config"])
    for name, satellite in endpoints["satellites"].items():
        table.add_row(name, satellite["site"], satellite["smtp"], satellite["config"])
    for name, server in endpoints["scan_servers"].items():
        table.add_row(name, "", "", server["config"])
    console = Console()
    console.print(table)
    console.print(f"written to {out}; links at {core['grpc']}", soft_wrap=True, markup=False)
