"""``borderscout mx plan``: which site should each domain's mail try first?

Touches the files that it is told to read, and the terminal.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli.inventory import File, Json, fail, read
from cli.progress import progress_bar
from inventory.mx.names import Naming
from inventory.mx.plan import Difference, MxPlan, differences, make_plan, shares
from inventory.mx.plan_file import NoPlan, parse_plan, plan_lines

EXAMPLE = "Example: borderscout mx plan inventory/example.yaml --json > plan.json"
DIFFERENT = 2
SHOWN_DOMAINS_MAX = 200  # more is a file's size, not a screen's

NamingOption = Annotated[
    Naming,
    typer.Option(
        "--naming",
        help="fixed: customers publish names of ours once, and a change is in our zone alone; "
        "sites: customers publish the sites' names.",
    ),
]


def plan(
    file: File,
    as_json: Json = False,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="PLAN", help="An earlier plan, as --json printed it."),
    ] = None,
    naming: NamingOption = Naming.FIXED,
) -> None:
    """Show the MX records of every domain, and the numbers that led to them.

    Exit 0; with --against, 0 when nothing differs, 2 when something does, 1 on an error.
    """
    inventory = read(file)
    earlier = None if against is None else read_plan(against)
    with progress_bar() as progress:
        made = make_plan(inventory, naming=naming, progress=progress)
    found = None if earlier is None else differences(earlier, made)
    if as_json:
        more = {} if found is None else {"differences": [one.as_json() for one in found]}
        sys.stdout.writelines(plan_lines(made, more))
    elif found is None:
        _show(made)
    else:
        _show_differences(found)
    if found:
        raise typer.Exit(DIFFERENT)


def read_plan(path: Path) -> MxPlan:
    """Return a plan that ``--json`` printed; if it is none, end with exit code 1."""
    try:
        return parse_plan(path.read_bytes())
    except OSError as error:
        fail(f"{path}:1:1: cannot be read: {error.strerror}; name a plan that --json printed")
    except NoPlan as error:
        fail(f"{path}:1:1: {error}; name one that --json printed")


def _show(made: MxPlan) -> None:
    console = Console()
    if len(made.domains) <= SHOWN_DOMAINS_MAX:
        table = Table("domain", "MX", "why")
        for entry in made.domains:
            records = "\n".join(f"{mx.preference} {mx.site}" for mx in entry.mx)
            table.add_row(entry.domain, records, entry.reason.replace("; ", "\n"))
        console.print(table)
    else:
        console.print(f"{len(made.domains)} domains; --json prints them all")
    table = Table("site", "first of", "second of", "third of")
    for site, counts in shares(made):
        table.add_row(site, *(str(count) for count in counts))
    console.print(table)


def _show_differences(found: list[Difference]) -> None:
    """Print every difference by itself: a removal that hides in a sum is found too late."""
    for one in found:
        for record in one.removed:
            print(f"- {one.domain} MX {record}")
        for record in one.added:
            print(f"+ {one.domain} MX {record}")
    if not found:
        print("no difference")
