"""``borderscout dnsbl``: what do our DNS lists say of an address or a domain?

Touches DNS, and the core or a file for the lists that there are.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.client import Client, TokenFile, Url
from cli.documents import documents_in, preferences_of
from cli.output import AsJson, console, fail, plain, print_lines, print_table, value_text
from common.address import AddressError, canonical_ip, parse_domain
from common.preferences import Kind, Preferences
from common.settings.reading import Source

if TYPE_CHECKING:
    from satellite.app.dns_lists import ListSaid

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="DNS lists (DNSBL, DNSWL).")


@app.callback()
def _group() -> None:
    """DNS lists (DNSBL, DNSWL)."""


def _subject(text: str) -> str:
    """Return the address or domain that a text names; of a mailbox or a URL, its host."""
    from satellite.filtering.url_hosts import hosts_of

    if "/" in text:
        hosts = hosts_of([text])
        text = next(iter((*hosts.names, *hosts.addresses)), text)
    host = text.rpartition("@")[2]
    try:
        return canonical_ip(host)
    except ValueError:
        pass
    try:
        domain = str(parse_domain(host))
    except AddressError:
        domain = ""
    # No list is asked about a host's short name, and 300.1.1.1 is a slip of the hand.
    if "." not in domain or domain.rpartition(".")[2].isdecimal():
        what = f"{text[:80]!r} is no address and no domain"
        raise typer.BadParameter(f"{what}; write 192.0.2.7 or acme.example")
    return domain


@app.command(epilog="Example: borderscout dnsbl check 192.0.2.7 --config satellite.yaml")
def check(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS|DOMAIN", help="Also a mailbox or a URL.", callback=_subject
        ),
    ],
    config: Annotated[
        Path | None, typer.Option("--config", help="A satellite.yaml: for its resolver.")
    ] = None,
    documents: Annotated[
        Path | None, typer.Option(help="The lists, as policy show --json prints them.")
    ] = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask all DNS lists of the preferences about an address or a domain, and explain each answer.

    The lists are those of the core, or of --documents. Each is tested too: exit code 1 when one is
    broken or silent, as a node would find it.
    """
    from satellite.app.dns_lists import BROKEN, NO_ANSWER, dns_lists_say

    preferences = _preferences(documents, url, token_file)
    resolver = _resolver(config)
    said = asyncio.run(dns_lists_say(subject, preferences, resolver=resolver))
    if as_json:
        print_lines(asdict(one) for one in said)
    elif not said:
        console.print("there is no DNS list; add one: docs/filters.md, dnsbl")
    else:
        _show(said)
    if any(one.fault or one.says in (BROKEN, NO_ANSWER) for one in said):
        raise typer.Exit(1)


def _preferences(documents: Path | None, url: str, token_file: Path | None) -> Preferences:
    if documents is not None:
        return preferences_of(documents_in(documents))
    if not url:
        fail("no lists are named; use --documents FILE, or --url for those of the core", status=2)
    query = {"kind": Kind.FILTER.value}
    found = Client(url, token_file).ask("GET", "/api/v1/documents", query=query)
    return preferences_of(found["documents"])


def _resolver(config: Path | None) -> str:
    """Return the resolver that a node's or a scanning server's settings name."""
    if config is None:
        return ""
    from satellite.scan_server.settings_file import read_scan_settings
    from satellite.settings import load_settings

    is_node = "core" in Source.read(config).tree
    return (load_settings(config) if is_node else read_scan_settings(config)).resolver


def _show(said: tuple[ListSaid, ...]) -> None:
    rows = [
        (
            one.name,
            one.zone,
            one.subject or "-",
            one.says,
            value_text(one.points) if one.points else "",
            "; ".join(filter(None, (*map(_answer, one.answers.items()), *one.texts))),
        )
        for one in said
    ]
    print_table(("!List", "Zone", "Asked about", "!Says", ">Points", "Why"), rows)
    for name, fault in {one.name: one.fault for one in said if one.fault}.items():
        console.print(f"{plain(name)} gives no points: {plain(fault)}")


def _answer(answer: tuple[str, str]) -> str:
    code, meaning = answer
    return f"{code} ({meaning})" if meaning else code
