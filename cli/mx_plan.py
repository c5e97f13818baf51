"""``borderscout mx plan``: which site should each domain's mail try first?

Touches the files that it is told to read, the core when it is asked for traffic or measurements,
and the terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli import output
from cli.client import TokenFile, Url
from cli.inventory import FAILED, File, Json, fail, read, say
from cli.mx_inputs import (
    MeasurementsOption,
    TrafficDaysOption,
    TrafficOption,
    measurements_from,
    traffic_from,
)
from cli.progress import progress_bar
from common.collector import uncollected
from inventory.model import Inventory
from inventory.mx.keeping import DWELL_H, GAIN_PCT, Keeping
from inventory.mx.loads import Loads
from inventory.mx.names import Naming
from inventory.mx.plan import Difference, MxPlan, differences, make_plan, shares
from inventory.mx.plan_file import NoPlan, parse_plan, plan_lines
from inventory.mx.safety import fitness_of, too_much_change

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


@uncollected()
def plan(
    file: File,
    as_json: Json = False,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="PLAN", help="An earlier plan, as --json printed it."),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="With --against: an order stands until another one is worth a change."
        ),
    ] = False,
    gain_pct: Annotated[
        int,
        typer.Option(
            min=0, max=1000, help="With --keep: how much of its way another site must gain."
        ),
    ] = GAIN_PCT,
    dwell_hours: Annotated[
        int, typer.Option(min=0, max=8784, help="With --keep: how long a new order stands.")
    ] = DWELL_H,
    moves_max: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="With --keep: so many domains change because it is better; the others wait.",
            show_default="all",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --against: more than 30 % may change.")
    ] = False,
    measurements: MeasurementsOption = None,
    traffic: TrafficOption = None,
    traffic_days: TrafficDaysOption = None,
    naming: NamingOption = Naming.FIXED,
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """Show the MX records of every domain, and the numbers that led to them.

    Exit 0; with --against, 0 when nothing differs, 2 when something does. 1 on an error: a plan
    that leaves a domain without MX or below its sites_min is not printed.
    """
    if keep and against is None:
        output.fail("--keep needs an earlier plan; name one with --against PLAN", status=2)
    now = datetime.now(UTC).replace(microsecond=0)
    inventory = read(file)
    earlier = None if against is None else read_plan(against)
    keeping = Keeping(now=now, gain_pct=gain_pct, dwell_h=dwell_hours, moves_max=moves_max)
    measured = measurements_from(measurements, inventory, url, token_file, now=now)
    known = traffic_from(traffic, traffic_days, url, token_file, now=now)
    with progress_bar() as progress:
        made = make_plan(
            inventory,
            naming=naming,
            measurements=measured,
            earlier=earlier,
            keeping=keeping if keep else None,
            has_reasons=as_json or inventory.domains_count <= SHOWN_DOMAINS_MAX,
            progress=progress,
        )
    loads = Loads(inventory.sites, made, known)
    warnings = _warnings(inventory, made, loads)
    found = None if earlier is None else differences(earlier, made)
    excess = None
    if earlier is not None and found is not None and not force:
        excess = too_much_change(earlier, found)
    more: dict[str, Any] = (
        {} if found is None else {"differences": [one.as_json() for one in found]}
    )
    if excess is not None:
        # No plan is printed, so that nothing takes it for one; what differs is.
        _print_refused(more | {"errors": [excess]}) if as_json else _show_differences(found or [])
        fail(f"{against}: {excess}")
    if as_json:
        more |= {"sites": _sites_json(made, loads), "waiting": list(made.waiting)}
        sys.stdout.writelines(plan_lines(made, more | {"warnings": warnings}))
    elif found is None:
        _show(made, loads)
    else:
        _show_differences(found)
    if found:
        raise typer.Exit(DIFFERENT)


def _warnings(inventory: Inventory, made: MxPlan, loads: Loads) -> list[str]:
    """Return what is worth a thought, and say it; end with exit code 1 when a plan is none."""
    judgement = fitness_of(inventory, made)
    warnings = [*judgement.warnings, *loads.too_much()]
    if made.waiting:
        warnings.append(
            f"{len(made.waiting)} more would change, and are over --moves-max: "
            f"{', '.join(made.waiting)}"
        )
    for line in warnings:
        say(f"warning: {line}")
    for line in judgement.errors:
        say(f"error: {line}")
    if judgement.errors:
        raise typer.Exit(FAILED)
    return warnings


def _print_refused(tree: Mapping[str, Any]) -> None:
    print(json.dumps(tree))


def read_plan(path: Path) -> MxPlan:
    """Return a plan that ``--json`` printed; if it is none, end with exit code 1."""
    try:
        return parse_plan(path.read_bytes())
    except OSError as error:
        fail(f"{path}:1:1: cannot be read: {error.strerror}; name a plan that --json printed")
    except NoPlan as error:
        fail(f"{path}:{error.line}:{error.column}: {error}; name one that --json printed")


def _sites_json(made: MxPlan, loads: Loads) -> list[dict[str, Any]]:
    counts = dict(shares(made))
    return [
        {
            "site": site.name,
            "state": str(site.state),
            "capacity": site.capacity,
            "first": counts.get(site.name, [0, 0, 0])[0],
            "second": counts.get(site.name, [0, 0, 0])[1],
            "third": counts.get(site.name, [0, 0, 0])[2],
            "messages_per_s": loads.planned(site.name).as_json(is_known=loads.is_known)[
                "messages_per_s"
            ],
        }
        for site in loads.sites
    ]


def _show(made: MxPlan, loads: Loads) -> None:
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
    if loads.is_known:
        table.add_column("messages/s", justify="right")
        table.add_column("capacity", justify="right")
    capacities = {site.name: str(site.capacity) for site in loads.sites}
    for site, counts in shares(made):
        more = [loads.planned(site).rate, capacities[site]] if loads.is_known else []
        table.add_row(site, *(str(count) for count in counts), *more)
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
