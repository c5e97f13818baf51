"""``borderscout policy``: what is done with mail, and who said so?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from cli import policy_trial
from cli.applied import Wait, say_applied, wait_until_applied
from cli.arguments import Address, Domains, Force, Scope, ScopeOrAll, Yes
from cli.client import Client, TokenFile, Url
from cli.consent import confirm
from cli.documents import documents_in
from cli.filter_documents import filter_warnings
from cli.history import revision_lines
from cli.holds import order_in_words, what_is_held
from cli.output import (
    AsJson,
    console,
    fail,
    plain,
    print_json,
    print_lines,
    print_table,
    say_warnings,
    value_text,
    when,
)
from cli.weights import weight_in_words
from common.preferences import POLICY_KEYS, Kind

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Policies and their history.")

app.command("try", epilog=policy_trial.EXAMPLE)(policy_trial.try_)

Comment = Annotated[str, typer.Option("--comment", help="Why; it stands in the history.")]


@app.command(epilog="Example: borderscout policy show domain/acme.example")
def show(
    scope: ScopeOrAll = "",
    kind: Annotated[
        Kind | None, typer.Option("--kind", help="Every document of this kind.")
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what one scope sets, or every document when no scope is named."""
    if scope and kind is not None:
        fail("SCOPE and --kind exclude each other: a scope has one policy; name one", status=2)
    client = Client(url, token_file)
    if scope:
        found = client.ask("GET", f"/api/v1/policies/{quote(scope)}")
        values = [(key, value_text(value)) for key, value in found["values"].items()]
        if as_json:
            print_json(found)
        elif values:
            print_table(("!Key", "Value"), values, title=found["scope"])
        else:
            console.print(plain(f"nothing is set for {found['scope']} itself"))
        return
    documents = client.ask("GET", "/api/v1/documents", query={"kind": kind})["documents"]
    if as_json:
        print_lines(documents)
    else:
        rows = [
            (each["kind"], each["key"], json.dumps(each["body"], ensure_ascii=False))
            for each in documents
        ]
        print_table(("!Kind", "Key", "Body"), rows)


@app.command("set", epilog="Example: borderscout policy set domain/acme.example score.mark=4")
def set_(
    scope: Scope,
    values: Annotated[
        list[str], typer.Argument(metavar="KEY=VALUE...", help="An empty value takes the key out.")
    ],
    comment: Comment = "",
    force: Force = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Set policy keys of one scope; the nearer scope wins."""
    wanted, unset = parse_values(values)
    body = {"values": wanted, "unset": unset, "comment": comment, "force": force}
    found = Client(url, token_file).ask("PATCH", f"/api/v1/policies/{quote(scope)}", body=body)
    say_warnings(found)
    if as_json:
        print_json(found)
    else:
        stands = ", ".join(f"{key}={value_text(value)}" for key, value in found["values"].items())
        words = f"{found['scope']}: {stands or 'nothing is set any more'}"
        console.print(f"revision {found['revision']}: {plain(words)}")


@app.command(epilog="Example: borderscout policy apply documents.json")
def apply(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="As show --json prints them, or .yaml.")
    ],
    comment: Comment = "",
    base: Annotated[
        int | None, typer.Option(help="Refuse unless this is the newest revision.")
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish documents of any kind as one revision, all or none."""
    documents = documents_in(file)
    body = {"documents": documents, "comment": comment, "base": base}
    found = Client(url, token_file).ask("POST", "/api/v1/documents", body=body)
    found["warnings"] += filter_warnings(documents)
    say_warnings(found)
    if as_json:
        print_json(found)
    else:
        stands = "" if found["changed"] else " stands: all of it was so already"
        console.print(f"revision {found['revision']}{stands}")


@app.command(epilog="Example: borderscout policy history --limit 10")
def history(
    scope: ScopeOrAll = "",
    limit: Annotated[int, typer.Option(help="Revisions at the most.", min=1, max=1000)] = 20,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show who changed what and when, before and after, the newest first."""
    query = {"scope": scope or None, "limit": limit}
    found = Client(url, token_file).ask("GET", "/api/v1/history", query=query)["revisions"]
    if as_json:
        print_lines(found)
        return
    for each in found:
        for line in revision_lines(each, is_filtered=bool(scope)):
            console.print(plain(line))
    if not found:
        console.print(plain(f"nothing was ever changed{f' for {scope}' if scope else ''}"))


@app.command(epilog="Example: borderscout policy rollback 41")
def rollback(
    revision: Annotated[int, typer.Argument(help="The revision whose content comes back.", min=0)],
    comment: Comment = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish the content of an older revision as a new one."""
    body = {"revision": revision, "comment": comment}
    found = Client(url, token_file).ask("POST", "/api/v1/rollback", body=body)
    if as_json:
        print_json(found)
    else:
        console.print(f"revision {found['revision']} holds what revision {revision} held")
        console.print("what that changed: borderscout policy history --limit 1")


@app.command(epilog="Example: borderscout policy explain x@acme.example")
def explain(
    recipient: Address,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what applies to one recipient, and which scope said each part."""
    found = Client(url, token_file).ask("GET", "/api/v1/explain", query={"recipient": recipient})
    if as_json:
        print_json(found)
        return
    route = found["route"]
    where = ", ".join(route["deliver_to"]) if route else "no route: its mail is refused"
    console.print(f"{plain(recipient)} at revision {found['revision']}: {plain(where)}")
    if found["hold"] is not None:
        console.print(f"ordered: {plain(order_in_words(found['hold']))}")
    rows = [
        (key["key"], value_text(key["value"]), key["from"], key["meaning"])
        for key in found["policy"]
    ]
    print_table(("!Key", "!Value", "From", "Meaning"), rows)
    if found["lists"]:
        entries = [
            (each["entry"], when(each["until_us"]), each["reason"]) for each in found["lists"]
        ]
        print_table(("List entry", "!Until (UTC)", "Reason"), entries)
    if found.get("weights"):
        weights = [
            (each["test"], weight_in_words(each), each["from"], each["reason"])
            for each in found["weights"]
        ]
        print_table(("!Test", "!Counts", "From", "Reason"), weights)


@app.command(epilog="Example: borderscout policy unroute old.example --comment 'left us' --yes")
def unroute(
    domains: Domains,
    comment: Comment = "",
    yes: Yes = False,
    wait: Wait = True,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Take no mail any more for domains that left the inventory."""
    client = Client(url, token_file)
    confirm("; ".join(_fate(client, domain) for domain in dict.fromkeys(domains)), yes=yes)
    gone = [{"kind": "route", "key": domain, "removed": True} for domain in dict.fromkeys(domains)]
    body = {"documents": gone, "comment": comment or "unrouted"}
    found = client.ask("POST", "/api/v1/documents", body=body)
    applied = wait_until_applied(client, found["revision"]) if wait else None
    if as_json:
        print_json(found | (applied.as_json() if applied is not None else {}))
        return
    console.print(f"revision {found['revision']}: no mail is taken for {plain(', '.join(domains))}")
    if applied is not None:
        say_applied(applied)


def _fate(client: Client, domain: str) -> str:
    """Return what becomes of a domain's mail without its route."""
    found = client.ask("GET", "/api/v1/holds", query={"domain": domain})
    if found["route"] is None:
        fail(
            f"{domain} has no route: we take no mail for it;"
            " see the domains with: borderscout policy show --kind route"
        )
    here = what_is_held(domain, found) if found["holds"] else "what of it is still at the sites"
    return (
        f"new mail for {domain} would be refused; {here} would wait for a route until its days are"
        f" over, and then go back to the senders (at once with: borderscout hold bounce {domain})"
    )


def parse_values(texts: list[str]) -> tuple[dict[str, float | str | None], list[str]]:
    """Return the keys to set and those to take out, of ``KEY=VALUE`` texts."""
    wanted: dict[str, float | str | None] = {}
    unset: list[str] = []
    for text in texts:
        key, equals, value = text.partition("=")
        known = POLICY_KEYS.get(key)
        if not equals or known is None:
            fail(f"{text!r} is no KEY=VALUE; the keys are {', '.join(POLICY_KEYS)}", status=2)
        if not value:
            unset.append(key)
            continue
        try:
            wanted[key] = known.read(value)
        except ValueError as error:
            fail(f"{error}; write {key}={known.example}", status=2)
    return wanted, unset
