"""``borderscout list``: whose mail is let through, and whose is not?"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.arguments import Force, Pattern, Scope, ScopeOrAll
from cli.client import Client, TokenFile, Url
from cli.entries import LastDay, Reason, end_us, say_done, say_replaced, shown_end
from cli.output import AsJson, print_lines, print_table, say_warnings

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
    reason: Reason = "",
    until: LastDay = None,
    force: Force = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Add an entry, or replace the one of the same scope and pattern."""
    body = {
        "scope": scope,
        "pattern": pattern,
        "reason": reason,
        "until_us": end_us(until),
        "force": force,
    }
    found = Client(url, token_file).ask("POST", f"/api/v1/lists/{colour}", body=body)
    say_warnings(found)
    say_done(found, as_json)
    if not as_json:
        say_replaced(found["replaced"], body)


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
    say_done(found, as_json, " is removed")


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
                shown_end(each["until_us"]),
                each["revision"],
            )
            for each in found
        ],
    )
