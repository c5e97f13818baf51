"""``borderscout list``: whose mail is let through, and whose is not?"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.arguments import Pattern, Scope, ScopeOrAll
from cli.client import Client, TokenFile, Url
from cli.output import (
    AsJson,
    console,
    plain,
    print_json,
    print_lines,
    print_table,
    say_warnings,
    when,
)
from common.records.bounds import TIME_US_MAX

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Black and white lists.")


class Colour(StrEnum):
    BLACK = "black"
    WHITE = "white"


Which = Annotated[Colour, typer.Argument(metavar="black|white", help="Which list.")]


@app.command(epilog="Example: borderscout list add white domain/acme.example partner.example")
def add(
    colour: Which,
    scope: Scope,
    pattern: Pattern,
    reason: Annotated[str, typer.Option(help="Why; it stands beside the entry.")] = "",
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day, UTC.")
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Add an entry, or replace the one of the same scope and pattern."""
    until_us = 0
    if until is not None:
        ends_s = int(until.replace(tzinfo=UTC).timestamp()) + 86_400
        until_us = min(ends_s * 1_000_000, TIME_US_MAX)  # 9999-12-31 ends beyond the calendar
    body = {"scope": scope, "pattern": pattern, "reason": reason, "until_us": until_us}
    found = Client(url, token_file).ask("POST", f"/api/v1/lists/{colour}", body=body)
    say_warnings(found)
    _done(found, as_json)
    if not as_json and found["replaced"] is not None:
        console.print(plain(_replacement(found["replaced"], body)))


@app.command(epilog="Example: borderscout list remove white domain/acme.example partner.example")
def remove(
    colour: Which,
    scope: Scope,
    pattern: Pattern,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove an entry."""
    query = {"scope": scope, "pattern": pattern}
    found = Client(url, token_file).ask("DELETE", f"/api/v1/lists/{colour}", query=query)
    _done(found, as_json, " is removed")


@app.command(epilog="Example: borderscout list show black cluster")
def show(
    colour: Which,
    scope: ScopeOrAll = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the entries."""
    found = Client(url, token_file).ask(
        "GET", f"/api/v1/lists/{colour}", query={"scope": scope or None}
    )["entries"]
    if as_json:
        print_lines(found)
        return
    print_table(
        ("Scope", "Pattern", "Reason", "!Until (UTC)", ">Revision"),
        [
            (
                each["scope"],
                each["pattern"],
                each["reason"],
                _until(each["until_us"]),
                each["revision"],
            )
            for each in found
        ],
    )


def _until(until_us: int) -> str:
    has_ended = until_us and until_us / 1e6 <= time.time()
    return f"{when(until_us)} (ended)" if has_ended else when(until_us)


def _replacement(stood: dict[str, Any], entry: dict[str, Any]) -> str:
    """Return what a new entry replaces, once it is another one."""
    since = f"since revision {stood['revision']}"
    if all(stood[name] == entry[name] for name in ("reason", "until_us")):
        return f"it stood so already, {since}"
    until = f"until {when(stood['until_us'])} UTC" if stood["until_us"] else "for good"
    reason = f": {stood['reason']}" if stood["reason"] else ", without a reason"
    return f"it replaces what stood {since}, {until}{reason}"


def _done(found: dict[str, Any], as_json: bool, what: str = "") -> None:
    if as_json:
        print_json(found)
    else:
        console.print(f"revision {found['revision']}: {plain(found['key'])}{what}")
