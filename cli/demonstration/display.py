"""What does the demonstration show on the terminal?

Touches the core's API, for the numbers. All of it fits eighty columns.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from cli.demonstration import mail
from cli.demonstration.cluster import DemoCluster
from cli.output import coloured, plain, span
from common.counted import counted

NUMBERS = (
    "Accepted",
    "Refused",
    "Delivered",
    "Marked",
    "Quarantined",
    "Dropped",
    "Open",
    "Lag",
)
MESSAGES = 5  # of the last ones, with their verdicts
OUTCOMES = ("quarantined", "dropped", "in_progress")


async def display(
    cluster: DemoCluster, counts: dict[tuple[str, str], int], *, seconds: float
) -> Group:
    """Return the live picture: a row for each satellite, and where to look next."""
    status = await cluster.ask("GET", "/api/v1/status")
    report = await cluster.ask("GET", "/api/v1/reports/summary", query={"by": "site"})
    by_site = {group["name"]: group for group in report["groups"]}
    table = Table(box=None, pad_edge=False, collapse_padding=True)  # for eighty columns
    table.add_column("Node")
    table.add_column("State", max_width=len("catching"))
    for column in NUMBERS:
        table.add_column(column, justify="right")
    for node in status["nodes"]:
        table.add_row(*_row(cluster, node, by_site.get(node["site"], {}), counts))
    title = Text(
        f"Border Scout, revision {status['revision']}, {span(seconds)};"
        f" the customers' server has {counted(cluster.mailbox.total, 'message')}"
    )
    verdicts = await _verdicts(cluster)
    return Group(title, Text(), table, Text(), verdicts, Text(), _hints(cluster))


async def _verdicts(cluster: DemoCluster) -> Table:
    """Return what each engine said of the last messages, and what became of each."""
    asked = {"query": mail.SENDERS, "limit": MESSAGES}
    messages = (await cluster.ask("GET", "/api/v1/messages", query=asked))["messages"]
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for column in ("Message", "At", *cluster.engines.names, "Outcome"):
        table.add_column(column)
    for message in messages:
        said = {one["by"]: one["outcome"] for one in message["verdicts"]}
        name = message["sender"].partition("@")[0]
        table.add_row(
            Text(plain(name)),
            Text(plain(message["node"])),
            *(coloured(said.get(engine, "")) for engine in cluster.engines.names),
            coloured(", ".join({one["state"] for one in message["recipients"]})),
        )
    return table


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
    lag = "?" if node["lag"] is None else str(node["lag"])
    return [
        Text(plain(name)),
        coloured(node["state"]),
        *(Text(str(number)) for number in numbers),
        Text(lag),
    ]


def _hints(cluster: DemoCluster) -> Text:
    """Return what to type, each line as it is typed: a line that is cut off cannot be copied."""
    command = _command()
    smtp = cluster.endpoints["satellites"][cluster.satellites[0]]["smtp"]
    lines = (
        f"API: {cluster.url}/docs; end it with Ctrl-C. In another terminal:",
        "",
        f"export BORDERSCOUT_URL={cluster.url}",
        f"export BORDERSCOUT_TOKEN=$(cat {cluster.token_file})",
        f"{command} status",
        f"{command} track anna@acme.example",
        f"{command} quarantine list",
        f"swaks --server {smtp} --to anna@acme.example",
    )
    return Text("\n".join(lines), overflow="fold")


def _command() -> str:
    """Return how this program is called from where it was started."""
    if shutil.which("borderscout"):
        return "borderscout"
    installed, here = Path(sys.executable).with_name("borderscout"), Path.cwd()
    return str(installed.relative_to(here) if installed.is_relative_to(here) else installed)
