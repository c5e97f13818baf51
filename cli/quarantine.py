"""``borderscout quarantine``: what is kept back, and what becomes of it?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.client import Client, TokenFile, Url
from cli.output import (
    AsJson,
    coloured,
    console,
    fail,
    plain,
    print_json,
    print_lines,
    print_table,
)
from common.ids import is_ulid

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Quarantined mail.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The message's id.")]


@app.command("list", epilog="Example: borderscout quarantine list --domain acme.example")
def list_(
    domain: Annotated[str, typer.Option(help="Only this recipient domain.")] = "",
    recipient: Annotated[str, typer.Option(help="Only this recipient.")] = "",
    customer: Annotated[str, typer.Option(help="Only this customer.")] = "",
    state: Annotated[str, typer.Option(help="Only cases in this state.")] = "",
    limit: Annotated[int, typer.Option(help="Cases at the most.", min=1, max=1000)] = 50,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List cases, the newest first."""
    query = {
        "domain": domain or None,
        "recipient": recipient or None,
        "customer": customer or None,
        "state": state or None,
        "limit": limit,
    }
    found = Client(url, token_file).ask("GET", "/api/v1/quarantine", query=query)["cases"]
    if as_json:
        print_lines(found)
        return
    print_table(
        ("Id", "Time (UTC)", "State", "Reason", "Sender", "Recipients", "Subject"),
        [
            (
                case["message_id"],
                case["quarantined"],
                coloured(case["state"]),
                case["reason"],
                case["sender"] or "<>",
                ", ".join(case["recipients"][:3]),
                case["subject"],
            )
            for case in found
        ],
    )


@app.command(epilog="Example: borderscout quarantine show 01K… --save mail.eml")
def show(
    message: Id,
    save: Annotated[
        Path | None, typer.Option(help="Write the message to this file.", show_default=False)
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one case, and why it is there."""
    client = Client(url, token_file)
    found = client.ask("GET", f"/api/v1/quarantine/{_checked(message)}")
    if save is not None:
        client.download(f"/api/v1/quarantine/{message}/body", save)
    if as_json:
        print_json(found)
        return
    for name in ("message_id", "state", "reason", "detail", "sender", "subject", "size", "sha256"):
        console.print(f"{name:12} {plain(found[name])}", markup=False)
    console.print(f"{'recipients':12} {plain(', '.join(found['recipients']))}", markup=False)
    console.print(f"{'node':12} {plain(found['node'])}/{found['shard']}", markup=False)
    console.print(f"{'quarantined':12} {found['quarantined']}", markup=False)
    for release in found["releases"]:
        console.print(
            f"{'release':12} {release['id']} {release['state']} by {plain(release['requested_by'])}"
            f" as {plain(release['released_as'] or '-')}",
            markup=False,
        )


@app.command(epilog="Example: borderscout quarantine release 01K…")
def release(
    message: Id,
    again: Annotated[
        bool, typer.Option("--again", help="Release anew; it may be delivered twice.")
    ] = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Deliver it after all; asked twice, it is delivered once."""
    path = f"/api/v1/quarantine/{_checked(message)}/release"
    found = Client(url, token_file).ask("POST", path, body={"again": again})
    if as_json:
        print_json(found)
        return
    warning = "; it may be delivered twice" if again else ""
    console.print(f"release {found['id']} is {found['state']}{warning}", markup=False)


@app.command(epilog="Example: borderscout quarantine delete 01K… --yes")
def delete(
    message: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete the body for good."""
    _checked(message)
    if not yes:
        typer.confirm(f"Delete the body of {message} for good?", abort=True)
    found = Client(url, token_file).ask("DELETE", f"/api/v1/quarantine/{message}")
    if as_json:
        print_json(found)
    else:
        console.print(f"{message} is {found['state']}", markup=False)


def _checked(message: str) -> str:
    if not is_ulid(message):
        fail(f"{message!r} is no message id; see them with: borderscout quarantine list", status=2)
    return message
