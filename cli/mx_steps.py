"""``borderscout mx steps``: in which order is a changed plan carried out?

Touches the files that it is told to read, and the terminal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.inventory import File, Json, fail, read
from cli.mx_plan import NamingOption, read_plan
from cli.mx_published import PlanOption, plan_of
from common.errors import BorderScoutError
from inventory.mx.names import Naming
from inventory.mx.records import names_of
from inventory.mx.steps import PlanStep, steps_between

EXAMPLE = "Example: borderscout mx steps inventory/example.yaml --against plan.json"
DIFFERENT = 2


def steps(
    file: File,
    against: Annotated[
        Path,
        typer.Option(
            "--against", metavar="PLAN", help="The plan in force, as mx plan --json printed it."
        ),
    ],
    plan: PlanOption = None,
    naming: NamingOption = Naming.FIXED,
    as_json: Json = False,
) -> None:
    """List what to do, in order, with what to wait for, so that no mail is refused on the way.

    Nothing is done. Exit 0 when the plan is in force, 2 when there are steps, 1 on an error.
    """
    inventory = read(file)
    before = read_plan(against)
    try:
        after = plan_of(inventory, plan, naming=naming)
    except BorderScoutError as error:
        fail(str(error))
    found = steps_between(
        before,
        after,
        naming=after.naming,
        names=names_of(inventory),
        has_policy=inventory.cluster.mta_sts is not None,
    )
    if as_json:
        print(json.dumps({"steps": [step.as_json() for step in found]}))
    else:
        for number, step in enumerate(found, start=1):
            _show(number, step)
        if not found:
            print("nothing to do")
    if found:
        raise typer.Exit(DIFFERENT)


def _show(number: int, step: PlanStep) -> None:
    print(f"{number}. {step.actor}: {step.what}")
    print(f"   why: {step.reason}")
    if step.command:
        print(f"   how: {step.command}")
    for record in step.records:
        print(f"   {record}")
    if step.wait_s:
        print(f"   then wait {_time(step.wait_s)}")


def _time(seconds: int) -> str:
    minutes, hours = seconds // 60 % 60, seconds // 3600
    return " ".join([*[f"{hours} h"] * bool(hours), *[f"{minutes} min"] * bool(minutes)])
