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
from cli.mx_plan import NamingOption, read_plan
from cli.progress import progress_bar
from common.durable import write_file
from common.errors import BorderScoutError, LocalError
from inventory.model import Inventory
from inventory.mx.known_formats import formats, rendered
from inventory.mx.names import Naming
from inventory.mx.plan import MxPlan, make_plan
from inventory.mx.plan_inputs import inventory_digest
from inventory.mx.records import MxRecords, Whose, records_of
from inventory.mx.safety import judged
from inventory.smtp_keys import shown_keys

EXAMPLE = "Example: borderscout mx render inventory/example.yaml --format letter --out letters"
WRONG_USAGE = 2
PUBLIC = 0o644

RenderedOption = Annotated[
    Path | None,
    typer.Option(
        "--rendered",
        metavar="DIR",
        help="What `inventory render` wrote: TLSA records of the nodes' keys as well.",
    ),
]

PlanOption = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="PLAN",
        help="The plan, as mx plan --json printed it; left out: planned now, by distance alone.",
    ),
]


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


def plan_of(inventory: Inventory, path: Path | None, *, naming: Naming) -> MxPlan:
    """Return the plan of a file, which knows its naming, or the one that is made now.

    Raises:
        LocalError: the plan is of another inventory, or leaves a domain without what it needs.
    """
    if path is None:
        with progress_bar() as progress:
            plan = make_plan(inventory, naming=naming, has_reasons=False, progress=progress)
    else:
        plan = read_plan(path)
        if plan.inputs.get("inventory") != inventory_digest(inventory):
            raise LocalError(
                f"{path}: the inventory has changed since this plan was made",
                hint="plan anew, with --against this one",
            )
    wrong = judged(inventory, plan).errors
    if wrong:
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise LocalError(f"{wrong[0]}{more}", hint="see them all: borderscout mx plan")
    return plan


def published(inventory: Inventory, plan: MxPlan, *, rendered_folder: Path | None) -> MxRecords:
    """Return what an inventory and its plan publish, as every command about records takes it."""
    sts = inventory.cluster.mta_sts
    if rendered_folder is not None and sts is not None and sts.smtp_certificate is not None:
        raise LocalError(
            "cluster.mta_sts names another certificate for STARTTLS than the rendered ones",
            hint="leave --rendered out; TLSA records for that certificate are yours to publish",
        )
    nodes = [node.name for _, node in inventory.nodes()]
    keys = None if rendered_folder is None else shown_keys(rendered_folder, nodes)
    return records_of(inventory, plan, naming=plan.naming, keys=keys)


def _narrowed(records: MxRecords, customer: str, file: Path) -> MxRecords:
    kept = tuple(zone for zone in records.customers if zone.customer == customer)
    if not kept:
        fail(f"{file}: has no customer {customer[:80]!r}; see `borderscout inventory check`")
    return replace(records, customers=kept)
