"""``borderscout report``: how much mail, and what became of it?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.client import Client, TokenFile, Url
from cli.output import AsJson, console, print_json, print_table

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Reports over all sites.")

COLUMNS = (
    "accepted",
    "delivered",
    "quarantined",
    "dropped",
    "rejected",
    "bounced",
    "expired",
    "in_progress",
)

Day = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="YYYY-MM-DD, UTC.", show_default=False)
]


@app.callback()
def _group() -> None:
    """Reports over all sites."""


@app.command(epilog="Example: borderscout report summary --by customer --since 2026-11-01")
def summary(
    by: Annotated[str, typer.Option(help="day, site, customer or domain.")] = "day",
    since: Day = None,
    until: Day = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Count accepted mail and each outcome, with the threats found and the busiest senders."""
    query = {"by": by, "since_us": _us(since), "until_us": _us(until)}
    found = Client(url, token_file).ask("GET", "/api/v1/reports/summary", query=query)
    if as_json:
        print_json(found)
        return
    rows = [*found["groups"], {"name": "total", **found["totals"]}]
    print_table(
        (by.capitalize(), *(f">{name.replace('_', ' ').capitalize()}" for name in COLUMNS)),
        [(row["name"], *(row.get(name, 0) for name in COLUMNS)) for row in rows],
    )
    _top("Threats", ("name", "by", "messages"), found["threats"])
    _top("Senders", ("sender", "messages"), found["senders"])


def _top(title: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if rows:
        console.print()
        print_table(columns, [[row[name] for name in columns] for row in rows], title=title)


def _us(day: datetime | None) -> int | None:
    return None if day is None else int(day.replace(tzinfo=UTC).timestamp()) * 1_000_000
