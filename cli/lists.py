"""``borderscout list``: whose mail is let through, and whose is not?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.arguments import Address, ClientOrNone, Force, Pattern, Scope, ScopeOrAll, SenderOrNone
from cli.client import Client, TokenFile, Url
from cli.entries import LastDay, Reason, end_us, say_done, say_replaced, shown_end
from cli.list_file import batches, entries_in
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
from cli.progress import progress_bar

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
    """Show the entries, with who added them, when and why."""
    found = _entries(Client(url, token_file), colour, scope)
    _show(found, as_json, with_colour=False)


@app.command(epilog="Example: borderscout list search partner")
def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Part of a pattern or a reason.")],
    scope: Annotated[str, typer.Option("--scope", metavar="SCOPE", help="Only this one.")] = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the entries in whose pattern or reason a text stands."""
    client = Client(url, token_file)
    found = [each for colour in Colour for each in _entries(client, colour, scope, text)]
    if not found and not as_json:
        where = f" in {scope}" if scope else ""
        console.print(plain(f"no entry{where} has {text!r} in its pattern or reason"))
        return
    _show(found, as_json)


@app.command(
    epilog="Example: borderscout list explain joe@acme.example --sender a@b.example"
    " --client 192.0.2.7"
)
def explain(
    recipient: Address,
    sender: SenderOrNone = "",
    client: ClientOrNone = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say which entry decides for a recipient's mail from a sender, and which come after it.

    Header patterns are left out: they need a message.
    """
    query = {"recipient": recipient, "sender": sender, "client": client}
    found = Client(url, token_file).ask("GET", "/api/v1/lists/explain", query=query)
    if as_json:
        print_json(found)
        return
    console.print(_explained(found))
    if found["entries"]:
        _table(found["entries"])


@app.command("import", epilog="Example: borderscout list import partners.txt --reason partners")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Lines COLOUR SCOPE PATTERN [REASON], or JSON as of list export."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why, for those without a reason.")] = "",
    until: LastDay = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Add or replace the entries of a file; it is read whole before anything is changed."""
    client = Client(url, token_file)
    entries = entries_in(file, reason=reason, until_us=end_us(until))
    sums = {"added": 0, "replaced": 0, "unchanged": 0}
    warnings: list[str] = []
    revision = done = 0
    with progress_bar() as step:
        for batch in batches(entries):
            said = _send(client, batch, f"import of {file.name}"[:200])
            sums = {name: count + said[name] for name, count in sums.items()}
            warnings += said["warnings"]
            revision = said["revision"]
            done += len(batch)
            step("importing", done, len(entries))
    say_warnings({"warnings": list(dict.fromkeys(warnings))[:20]})
    if as_json:
        print_json({"revision": revision, **sums})
    else:
        counts = ", ".join(f"{count} {name}" for name, count in sums.items())
        console.print(f"revision {revision}: {counts}")


@app.command(epilog="Example: borderscout list export > lists.jsonl")
def export(
    scope: ScopeOrAll = "",
    url: Url = "",
    token_file: TokenFile = None,
) -> None:
    """Print all entries, a JSON object on each line, as list import takes them."""
    client = Client(url, token_file)
    for colour in Colour:
        print_lines(_entries(client, colour, scope))
    sys.stdout.flush()


def _send(client: Client, batch: list[str], comment: str) -> Any:
    body = {"entries": [json.loads(entry) for entry in batch], "comment": comment}
    return client.ask("POST", "/api/v1/lists", body=body)


def _entries(
    client: Client, colour: Colour, scope: str, text: str = ""
) -> Iterator[dict[str, Any]]:
    """Return the entries of a colour, asked for a page after the other."""
    after: str | None = None
    while True:
        query = {"scope": scope or None, "contains": text or None, "after": after}
        page = client.ask("GET", f"/api/v1/lists/{colour}", query=query)
        yield from page["entries"]
        after = page["next"]
        if after is None:
            return


def _show(found: Iterable[dict[str, Any]], as_json: bool, *, with_colour: bool = True) -> None:
    if as_json:
        print_lines(found)
    else:
        _table(found, with_colour=with_colour)


def _table(found: Iterable[dict[str, Any]], *, with_colour: bool = True) -> None:
    columns = ("Scope", "Pattern", "Reason", "!Until (UTC)", "By", "!Added (UTC)", ">Revision")
    print_table(
        ("Colour", *columns) if with_colour else columns,
        [
            (
                *[each["colour"]] * with_colour,
                each["scope"],
                each["pattern"],
                each["reason"],
                shown_end(each["until_us"]),
                each["by"] or "-",
                when(each["added_us"]),
                each["revision"],
            )
            for each in found
        ],
    )


def _explained(found: dict[str, Any]) -> str:
    """Return in one line which entry decides."""
    entries = found["entries"]
    if not entries:
        return "no entry is about such mail"
    first = entries[0]
    name = plain(f"{first['colour']} {first['scope']} {first['pattern']}")
    if not first["needs_proof"]:
        return f"{name} decides"
    rest = next((each for each in entries if not each["needs_proof"]), None)
    behind = plain(f"{rest['colour']} {rest['scope']} {rest['pattern']}") if rest else "no entry"
    return (
        f"{name} decides if SPF, DKIM or DMARC prove the sender (whitelist.proof=required);"
        f" else {behind}"
    )
