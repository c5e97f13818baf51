"""Which plan, and which records, do the commands about DNS go by?

Touches the files that it is told to read, and the terminal. What is rendered, applied, verified and
told in steps is one thing, made here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.mx_plan import read_plan
from cli.progress import progress_bar
from common.errors import LocalError
from inventory.model import Inventory
from inventory.mx.names import Naming
from inventory.mx.plan import MxPlan, make_plan
from inventory.mx.plan_inputs import inventory_digest
from inventory.mx.records import MxRecords, records_of
from inventory.mx.safety import fitness_of
from inventory.smtp_keys import shown_keys

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
    wrong = fitness_of(inventory, plan).errors
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
