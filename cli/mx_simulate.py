"""``borderscout mx simulate``: where does the mail go when a site is off?

Touches the files that it is told to read, the core when it is asked for traffic, and the terminal.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cli import output
from cli.client import TokenFile, Url
from cli.inventory import File, Json, read, say
from cli.mx_inputs import (
    MeasurementsOption,
    TrafficDaysOption,
    TrafficOption,
    measurements_from,
    traffic_from,
)
from cli.progress import progress_bar
from common.collector import uncollected
from common.counted import counted
from inventory.mx.simulation import Simulation, SiteChange
from inventory.mx.simulation import simulate as simulated

EXAMPLE = "Example: borderscout mx simulate inventory/example.yaml --without london"
NAMED_MAX = 5  # domains in one line


@uncollected()
def simulate(
    file: File,
    without: Annotated[
        list[str],
        typer.Option("--without", metavar="SITE", help="The site that is off; may stand twice."),
    ],
    as_json: Json = False,
    measurements: MeasurementsOption = None,
    traffic: TrafficOption = None,
    traffic_days: TrafficDaysOption = None,
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """Show what each site carries before and after some are off, and who takes what they had.

    With traffic, it names each site that would get more than its capacity. Nothing is changed.
    """
    now = datetime.now(UTC)
    inventory = read(file)
    known = [site.name for site in inventory.sites]
    for name in without:
        if name not in known:
            output.fail(f"--without {name!r} is no site; there are {', '.join(known)}", status=2)
    measured = measurements_from(measurements, inventory, url, token_file, now=now)
    rates = traffic_from(traffic, traffic_days, url, token_file, now=now)
    with progress_bar() as progress:
        found = simulated(
            inventory, set(without), measurements=measured, traffic=rates, progress=progress
        )
    if as_json:
        print(json.dumps(found.as_json()))
    else:
        _show(found)
    _warn(found)


def _show(found: Simulation) -> None:
    table = Table("site", "state")
    unit = "messages/s" if found.is_known else "domains"
    for column in ("capacity", f"{unit} before", "after", "took", "by capacity"):
        table.add_column(column, justify="right")
    for one in found.sites:
        table.add_row(
            one.site.name,
            str(one.site.state),
            str(one.site.capacity),
            one.before.rate if found.is_known else str(one.before.domains),
            one.after.rate if found.is_known else str(one.after.domains),
            _part(one.took),
            _part(one.by_capacity),
        )
    moved = found.moved
    rate = f" with {moved.rate} messages/s" if found.is_known else ""
    count = counted(moved.domains, "domain moves", "domains move")
    Console().print(table)
    print(f"without {', '.join(found.without)}: {count}{rate}")


def _part(thousandths: int | None) -> str:
    return "-" if thousandths is None else f"{thousandths / 10:.1f} %"


def _warn(found: Simulation) -> None:
    for one in found.sites:
        if found.is_known and one.after.exceeds(one.site):
            say(f"warning: {_excess(one)}")
    for names, what in ((found.lost, "no MX"), (found.fewer, "fewer sites than sites_min")):
        if names:
            shown = ", ".join(names[:NAMED_MAX])
            more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
            say(f"warning: {shown}{more} would have {what}")


def _excess(one: SiteChange) -> str:
    return (
        f"site {one.site.name} would get {one.after.rate} messages per second, "
        f"and its capacity is {one.site.capacity}"
    )
