"""``borderscout quarantine``: what is kept back, and what becomes of it?"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.arguments import MessageId, Yes
from cli.client import Client, TokenFile, Url
from cli.output import (
    AsJson,
    clock_time,
    coloured,
    console,
    plain,
    print_json,
    print_lines,
)

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Quarantined mail.")


class ShownState(StrEnum):
    """States of a case, as the core names them."""

    ARRIVING = "arriving"
    HELD = "held"
    RELEASING = "releasing"
    RELEASED = "released"
    DELETED = "deleted"


@app.command("list", epilog="Example: borderscout quarantine list --domain acme.example")
def list_(
    domain: Annotated[str, typer.Option(help="Only this recipient domain.")] = "",
    recipient: Annotated[str, typer.Option(help="Only this recipient.")] = "",
    customer: Annotated[str, typer.Option(help="Only this customer.")] = "",
    state: Annotated[
        ShownState | None, typer.Option(help="Only cases in this state.", show_default=False)
    ] = None,
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
        "state": state,
        "limit": limit,
    }
    found = Client(url, token_file).ask("GET", "/api/v1/quarantine", query=query)["cases"]
    if as_json:
        print_lines(found)
        return
    for case in found:
        _print_case(case)
    if not found:
        is_narrowed = any((domain, recipient, customer, state))
        console.print(f"nothing {'that fits ' * is_narrowed}is in the quarantine")


def _print_case(case: dict[str, Any]) -> None:
    """Print two lines: what the next command needs, and what a person knows the mail by."""
    head = Text.assemble(
        f"{case['message_id']}  {clock_time(case['quarantined'])}  ",
        coloured(case["state"]),
        f"  {plain(case['reason'])}: {plain(case['detail'])}",
    )
    console.print(head)
    people = case["recipients"]
    more = f" and {len(people) - 3} more" if len(people) > 3 else ""
    said = f"<{case['sender']}> to {', '.join(people[:3])}{more}: {case['subject']}"
    console.print(Text(f"  {plain(said)}", style="dim"))


@app.command(
    epilog="Example: borderscout quarantine show 01ARZ3NDEKTSV4RRFFQ69G5FAV --save mail.eml"
)
def show(
    message: MessageId,
    save: Annotated[
        Path | None, typer.Option(help="Write the message to this file.", show_default=False)
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one case, and why it is there."""
    client = Client(url, token_file)
    found = client.ask("GET", f"/api/v1/quarantine/{message}")
    if save is not None:
        client.download(f"/api/v1/quarantine/{message}/body", save)
    if as_json:
        print_json(found)
        return
    for name in ("message_id", "state", "reason", "detail", "sender", "subject", "size", "sha256"):
        console.print(f"{name:12} {plain(found[name])}")
    console.print(f"{'recipients':12} {plain(', '.join(found['recipients']))}")
    console.print(f"{'node':12} {plain(found['node'])}/{found['shard']}")
    console.print(f"{'quarantined':12} {clock_time(found['quarantined'])} UTC")
    for release in found["releases"]:
        console.print(
            f"{'release':12} {release['id']} {release['state']} by {plain(release['requested_by'])}"
            f" as {plain(release['released_as'] or '-')}"
            f"{plain(_only_to(release.get('recipients')))}",
        )


def _only_to(recipients: list[str] | None) -> str:
    """Return to whom a release delivers, when not to all."""
    return f" to {', '.join(recipients)}" if recipients else ""


@app.command(epilog="Example: borderscout quarantine release 01ARZ3NDEKTSV4RRFFQ69G5FAV")
def release(
    message: MessageId,
    to: Annotated[
        list[str] | None,
        typer.Option(help="Only to this recipient; may be given again.", show_default=False),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Release anew; it may be delivered twice.")
    ] = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Deliver it after all; asked twice, it is delivered once."""
    path = f"/api/v1/quarantine/{message}/release"
    found = Client(url, token_file).ask("POST", path, body={"again": again, "recipients": to or []})
    if as_json:
        print_json(found)
        return
    warning = "; it may be delivered twice" if again else ""
    console.print(f"release {found['id']} is {found['state']}{warning}")


@app.command(epilog="Example: borderscout quarantine delete 01ARZ3NDEKTSV4RRFFQ69G5FAV --yes")
def delete(
    message: MessageId,
    yes: Yes = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete the body for good."""
    if not yes:
        typer.confirm(f"Delete the body of {message} for good?", abort=True)
    found = Client(url, token_file).ask("DELETE", f"/api/v1/quarantine/{message}")
    if as_json:
        print_json(found)
    else:
        console.print(f"{message} is {found['state']}")
