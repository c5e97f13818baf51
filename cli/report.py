"""``borderscout report``: how much mail, and what became of it?"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
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

ALWAYS = frozenset({"accepted", "delivered", "quarantined"})
DAY_S = 86_400


class By(StrEnum):
    """What the groups of a report are."""

    DAY = "day"
    SITE = "site"
    CUSTOMER = "customer"
    DOMAIN = "domain"


_DATE = "%Y-%m-%d"
Since = Annotated[
    datetime | None, typer.Option(formats=[_DATE], help="First day, UTC.", show_default=False)
]
Until = Annotated[
    datetime | None, typer.Option(formats=[_DATE], help="Last day, UTC.", show_default=False)
]


@app.callback()
def _group() -> None:
    """Reports over all sites."""


@app.command(epilog="Example: borderscout report summary --by customer --since 2026-11-01")
def summary(
    by: Annotated[By, typer.Option(help="What the groups are.")] = By.DAY,
    since: Since = None,
    until: Until = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Count accepted mail and each outcome, with the threats found and the busiest senders."""
    query = {"by": by, "since_us": _us(since), "until_us": _us(until, days=1)}
    found = Client(url, token_file).ask("GET", "/api/v1/reports/summary", query=query)
    if as_json:
        print_json(found)
        return
    rows = [*found["groups"], {"name": "total", **found["totals"]}]
    # What nothing became needs no column; the JSON has them all.
    shown = [name for name in COLUMNS if name in ALWAYS or found["totals"][name]]
    print_table(
        (by.capitalize(), *(f">{name.replace('_', ' ').capitalize()}" for name in shown)),
        [(row["name"], *(row[name] for name in shown)) for row in rows],
    )
    _top(("Threat", "By", ">Messages"), ("name", "by", "messages"), found["threats"])
    _top(("Sender", ">Messages"), ("sender", "messages"), found["senders"])


def _top(titles: tuple[str, ...], names: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if rows:
        console.print()
        table = [[row[name] for name in names] for row in rows]
        print_table(titles, table)


def _us(day: datetime | None, *, days: int = 0) -> int | None:
    """Return when a day begins, or so many days later; microseconds since the epoch."""
    if day is None:
        return None
    return (int(day.replace(tzinfo=UTC).timestamp()) + days * DAY_S) * 1_000_000
