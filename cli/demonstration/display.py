"""What does the demonstration show on the terminal?

Touches the core's API, for the numbers.
"""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from cli.demonstration.cluster import DemoCluster
from cli.output import coloured, plain, span

COLUMNS = (
    "Accepted",
    "Refused",
    "Delivered",
    "Marked",
    "Quarantined",
    "Dropped",
    "In progress",
    "Lag",
)
OUTCOMES = ("quarantined", "dropped", "in_progress")


async def display(
    cluster: DemoCluster, counts: dict[tuple[str, str], int], *, seconds: float
) -> Group:
    """Return the live picture: a row for each satellite, and where to look next."""
    status = await cluster.ask("GET", "/api/v1/status")
    report = await cluster.ask("GET", "/api/v1/reports/summary", query={"by": "site"})
    by_site = {group["name"]: group for group in report["groups"]}
    table = Table(box=None, pad_edge=False)
    for column in ("Satellite", "Site", "State"):
        table.add_column(column)
    for column in (
        "Accepted",
        "Refused",
        "Delivered",
        "Marked",
        "Quarantined",
        "Dropped",
        "In progress",
    ):
        table.add_column(column, justify="right")
    table.add_column("Lag", justify="right")
    for node in status["nodes"]:
        table.add_row(*_row(cluster, node, by_site.get(node["site"], {}), counts))
    title = Text(
        f"Border Scout, revision {status['revision']}, {span(seconds)};"
        f" the customers' server has {cluster.mailbox.total} messages"
    )
    return Group(title, Text(), table, Text(), _hints(cluster))


def _row(
    cluster: DemoCluster,
    node: dict[str, Any],
    group: dict[str, Any],
    counts: dict[tuple[str, str], int],
) -> list[Text]:
    name = node["node"]
    numbers = [
        counts.get((name, "accepted"), 0),
        counts.get((name, "refused"), 0),
        group.get("delivered", 0),
        cluster.mailbox.marked[name],
        *(group.get(outcome, 0) for outcome in OUTCOMES),
    ]
    lag = "unknown" if node["lag"] is None else str(node["lag"])
    return [
        Text(plain(name)),
        Text(plain(node["site"])),
        coloured(node["state"]),
        *(Text(str(number)) for number in numbers),
        Text(lag),
    ]


def _hints(cluster: DemoCluster) -> Text:
    lines = (
        f"API       {cluster.url}/docs",
        f"export    BORDERSCOUT_URL={cluster.url} BORDERSCOUT_TOKEN=$(cat {cluster.token_file})",
        "then      .venv/bin/borderscout status",
        "          .venv/bin/borderscout track anna@acme.example",
        "          .venv/bin/borderscout quarantine list",
        f"send      swaks --server {cluster.endpoints['satellites'][cluster.satellites[0]]['smtp']}"
        " --to anna@acme.example",
        "stop      Ctrl-C",
    )
    return Text("\n".join(lines), no_wrap=True, overflow="fold")
