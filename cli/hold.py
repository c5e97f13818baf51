"""``borderscout hold``: which customers are away, and what becomes of their mail?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from cli.applied import Wait, say_applied, wait_until_applied
from cli.arguments import Domain, DomainOrAll, Targets, Yes
from cli.client import Client, TokenFile, Url
from cli.consent import confirm
from cli.holds import order_in_words, print_holds, print_orders, what_is_held
from cli.output import AsJson, console, fail, plain, print_json, print_lines
from common.counted import counted

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Customers that are away, and the mail that is held for them.",
)

DAYS_MAX = 30
TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]

Reason = Annotated[str, typer.Option(help="Why; it stands beside the order, and in the history.")]


@app.command("list", epilog="Example: borderscout hold list")
def list_(
    domain: DomainOrAll = "",
    orders: Annotated[
        bool, typer.Option("--orders", help="The orders that stand instead.")
    ] = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List who is away, at which sites, since when and why, and what is held for them."""
    client = Client(url, token_file)
    found = _of_ours_or_held(client, domain) if domain else _holds(client, domain)
    if as_json:
        print_lines(found["orders" if orders else "holds"])
    elif orders:
        print_orders(found["orders"])
    else:
        print_holds(found)


@app.command(epilog="Example: borderscout hold extend acme.example --days 14 --reason 'new office'")
def extend(
    domain: Domain,
    days: Annotated[
        int, typer.Option(help="Days in all, from when it was accepted.", min=1, max=DAYS_MAX)
    ],
    reason: Reason = "",
    yes: Yes = False,
    wait: Wait = True,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Hold a domain's mail for more days, or fewer."""
    client = Client(url, token_file)
    before = _of_ours(client, domain)["route"]["hold_days"]
    if days < before:
        confirm(
            f"{domain} is held for {counted(before, 'day')}; what is older than {days} would go"
            " back to the senders at once",
            yes=yes,
        )
    _order(client, domain, {"hold_days": days}, reason=reason, wait=wait, as_json=as_json)


@app.command(epilog="Example: borderscout hold redirect acme.example --to backup.acme.example:25")
def redirect(
    domain: Domain,
    to: Targets,
    reason: Reason = "",
    wait: Wait = True,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Deliver a domain's mail, held and new, to another server until the order is cleared."""
    client = Client(url, token_file)
    _order(client, domain, {"deliver_to": to}, reason=reason, wait=wait, as_json=as_json)


@app.command(epilog="Example: borderscout hold bounce acme.example --reason 'company closed' --yes")
def bounce(
    domain: Domain,
    before: Annotated[
        datetime | None,
        typer.Option(
            formats=TIMES, metavar="TIME", help="Only what was accepted before this time, UTC."
        ),
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    wait: Wait = True,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Give the mail that is held for a domain back to its senders, for good."""
    client = Client(url, token_file)
    found = _of_ours_or_held(client, domain)
    accepted = "" if before is None else f", as far as accepted before {before:%Y-%m-%d %H:%M:%S}"
    confirm(f"{what_is_held(domain, found)} would go back to the senders{accepted}", yes=yes)
    when: int | str = "now"
    if before is not None:
        when = int(before.replace(tzinfo=UTC).timestamp()) * 1_000_000
    _order(client, domain, {"bounce_before_us": when}, reason=reason, wait=wait, as_json=as_json)


@app.command(epilog="Example: borderscout hold clear acme.example")
def clear(
    domain: Domain,
    wait: Wait = True,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take back what was ordered for a domain; what has been returned stays so."""
    client = Client(url, token_file)
    found = client.ask("DELETE", f"/api/v1/holds/{quote(domain)}")
    _done(client, found, wait=wait, as_json=as_json)


def _holds(client: Client, domain: str) -> dict[str, Any]:
    found: dict[str, Any] = client.ask("GET", "/api/v1/holds", query={"domain": domain or None})
    return found


def _of_ours(client: Client, domain: str) -> dict[str, Any]:
    """Return what is held for a domain and ordered for it, once it is one of ours."""
    found = _holds(client, domain)
    if found["route"] is None:
        _fail_without_route(domain)
    return found


def _of_ours_or_held(client: Client, domain: str) -> dict[str, Any]:
    """Return the same also of a domain that has lost its route while mail is held for it."""
    found = _holds(client, domain)
    if found["route"] is None and not found["holds"]:
        _fail_without_route(domain)
    return found


def _fail_without_route(domain: str) -> NoReturn:
    fail(
        f"{domain} has no route: we take no mail for it;"
        " see the domains with: borderscout policy show --kind route"
    )


def _order(
    client: Client, domain: str, order: dict[str, Any], *, reason: str, wait: bool, as_json: bool
) -> None:
    body = {**order, "reason": reason} if reason else order
    found = client.ask("PATCH", f"/api/v1/holds/{quote(domain)}", body=body)
    _done(client, found, wait=wait, as_json=as_json)


def _done(client: Client, found: dict[str, Any], *, wait: bool, as_json: bool) -> None:
    applied = wait_until_applied(client, found["revision"]) if wait else None
    if as_json:
        print_json(found | (applied.as_json() if applied is not None else {}))
        return
    words = order_in_words(found["order"]) or "nothing is ordered any more"
    console.print(f"revision {found['revision']}: {plain(found['domain'])}: {plain(words)}")
    if applied is not None:
        say_applied(applied)
