"""What else does an MX plan rest on: measurements, and traffic?

Touches the files that it is told to read, and the core when it is asked.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli import output
from cli.client import Client
from cli.inventory import fail, say
from cli.probes import known_probes
from common.errors import BorderScoutError, SettingsError
from inventory.model import Inventory
from inventory.mx.measured_domains import MeasuredDomains, measured_domains
from inventory.mx.measurements import Measurements, parse_measurements
from inventory.mx.traffic import Traffic, parse_traffic

OLD = timedelta(days=2)  # measurements that are older say little of today
DAYS_MAX = 366
CORE = "core"  # in place of a file; one of this name is ./core
REPORTED_MAX = 10_000  # domains in one report; the others share what is left
SECOND_US = 1_000_000
FILE_BYTES_MAX = 1 << 30  # what twenty sites measured to a million domains

MeasurementsOption = Annotated[
    str | None,
    typer.Option(
        "--measurements",
        metavar="core|JSON",
        help="Round trips and failures: core asks the core (--url) for today's; else a file.",
    ),
]
TrafficOption = Annotated[
    Path | None,
    typer.Option(
        "--traffic", metavar="TABLE", help="Messages per second of each domain, CSV or JSON."
    ),
]
TrafficDaysOption = Annotated[
    int | None,
    typer.Option(
        "--traffic-days",
        min=1,
        max=DAYS_MAX,
        help="Ask the core (--url) for the traffic of so many days.",
        show_default=False,
    ),
]


def measurements_from(
    source: str | None, inventory: Inventory, url: str, token_file: Path | None, *, now: datetime
) -> Measurements | None:
    """Return the measurements of a file or of the core, and warn of what is odd about them."""
    if source is None:
        return None
    if source == CORE:
        return measured_by_core(inventory, url, token_file).measurements
    path = Path(source)
    try:
        found = parse_measurements(_bytes(path), name=str(path))
    except SettingsError as error:
        fail(str(error))
    _warn_of_strangers(found, inventory, str(path))
    if now - found.made > OLD:
        say(f"{path}: warning: was made {(now - found.made).days} days ago; measure anew")
    return found


def measured_by_core(inventory: Inventory, url: str, token_file: Path | None) -> MeasuredDomains:
    """Return what the core knows of each domain's servers, and warn of what is odd about it."""
    client = Client(url, token_file)
    try:
        known = known_probes(client)
    except BorderScoutError as error:
        fail(str(error))
    found = measured_domains(inventory, known.probes, made=known.made)
    for line in found.warnings:
        say(f"{client.url}: warning: {line}")
    _warn_of_strangers(found.measurements, inventory, client.url)
    return found


def _warn_of_strangers(found: Measurements, inventory: Inventory, where: str) -> None:
    for name in found.strangers(site.name for site in inventory.sites):
        say(f"{where}: warning: measured by {name}, which is no site; it is passed over")


def traffic_from(
    path: Path | None, days: int | None, url: str, token_file: Path | None, *, now: datetime
) -> Traffic | None:
    """Return the traffic of a file or, of some days, of the core."""
    if path is not None and days is not None:
        output.fail("--traffic and --traffic-days exclude each other; write one", status=2)
    try:
        if path is not None:
            return parse_traffic(_bytes(path), name=str(path))
        if days is None:
            return None
        return _of_core(Client(url, token_file), days, now)
    except BorderScoutError as error:
        fail(str(error))


def _of_core(client: Client, days: int, now: datetime) -> Traffic:
    until_us = int(now.timestamp()) * SECOND_US
    since_us = until_us - days * 86_400 * SECOND_US
    query = {
        "by": "domain",
        "since_us": since_us,
        "until_us": until_us,
        "limit": REPORTED_MAX,
    }
    path = "/api/v1/reports/summary"
    report = client.ask("GET", path, query=query)
    return parse_traffic(json.dumps(report, sort_keys=True).encode(), name=f"{client.url}{path}")


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            fail(f"{path}:1:1: file larger than 1 GiB; leave out domains that are gone")
        return path.read_bytes()
    except OSError as error:
        fail(f"{path}:1:1: cannot be read: {error.strerror}; name a file that is there")
