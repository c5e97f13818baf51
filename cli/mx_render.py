"""``borderscout mx render``: what stands in DNS?

Touches the files that it is told to read and write, and the terminal.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli.inventory import File, Json, fail, read, say
from cli.mx_plan import NamingOption
from cli.mx_published import PlanOption, RenderedOption, plan_of, published
from common.durable import write_file
from common.errors import BorderScoutError
from inventory.mx.known_formats import formats, rendered
from inventory.mx.names import Naming
from inventory.mx.records import MxRecords, Whose

EXAMPLE = "Example: borderscout mx render inventory/example.yaml --format letter --out letters"
WRONG_USAGE = 2
PUBLIC = 0o644


def render(
    file: File,
    output_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=f"{', '.join(formats())}.")
    ],
    whose: Annotated[
        Whose,
        typer.Option("--whose", help="Records of our own zone, or of the customers' domains."),
    ] = Whose.OURS,
    customer: Annotated[
        str, typer.Option("--customer", metavar="NAME", help="Of this customer alone.")
    ] = "",
    plan: PlanOption = None,
    rendered_folder: RenderedOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the files go; left out: one, printed."),
    ] = None,
    naming: NamingOption = Naming.FIXED,
    as_json: Json = False,
) -> None:
    """Write what stands in DNS, in our own zone or in the customers', for a tool or for people.

    What a tool has no records for is named on stderr. The same inventory gives the same text.
    """
    if output_format not in formats():
        remedy = " or ".join(f"--format {name}" for name in formats())
        say(f"--format {output_format[:40]!r} is no format; write {remedy}")
        raise typer.Exit(WRONG_USAGE)
    inventory = read(file)
    try:
        made_plan = plan_of(inventory, plan, naming=naming)
        records = published(inventory, made_plan, rendered_folder=rendered_folder)
        if customer:
            records, whose = _narrowed(records, customer, file), Whose.CUSTOMERS
        made = rendered(output_format, records, whose=whose)
    except BorderScoutError as error:
        fail(str(error))
    for line in made.left_out:
        say(line)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in made.files.items():
            write_file(out / name, text.encode(), mode=PUBLIC)
        print(json.dumps(sorted(made.files)) if as_json else f"wrote {len(made.files)} to {out}")
    elif as_json:
        print(json.dumps({"files": made.files, "left_out": made.left_out}))
    elif len(made.files) == 1:
        print(next(iter(made.files.values())), end="")
    else:
        count = len(made.files)
        say(f"--format {output_format} makes {count} files; add --out DIR or --customer NAME")
        raise typer.Exit(WRONG_USAGE)


def _narrowed(records: MxRecords, customer: str, file: Path) -> MxRecords:
    kept = tuple(zone for zone in records.customers if zone.customer == customer)
    if not kept:
        fail(f"{file}: has no customer {customer[:80]!r}; see `borderscout inventory check`")
    return replace(records, customers=kept)
