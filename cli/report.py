"""``borderscout report``: how much mail, and what became of it?"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import Client, TokenFile, Url
from cli.look_report import print_look_report
from cli.output import (
    AsJson,
    clock_time,
    coloured,
    console,
    fail,
    plain,
    print_json,
    print_table,
    span,
)
from cli.probes import known_probes
from common.counted import counted
from core.records.reports import UNKNOWN_CUSTOMER
from inventory.mx.site_probes import SiteProbe, probes_by_site

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Reports over all sites.")

COLUMNS = (
    "accepted",
    "delivered",
    "quarantined",
    "dropped",
    "rejected",
    "bounced",
    "expired",
    "lost",
    "in_progress",
)

LATE_MAX = 1_000  # messages in one answer
ALWAYS = frozenset({"accepted", "delivered", "quarantined"})
DAY_S = 86_400


class By(StrEnum):
    """What the groups of a report are."""

    DAY = "day"
    SITE = "site"
    CUSTOMER = "customer"
    DOMAIN = "domain"


class LooksBy(StrEnum):
    """What the groups of a report of engines are."""

    DAY = "day"
    SITE = "site"


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
    found = _asked("summary", Client(url, token_file), since, until, by=by)
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


@app.command(epilog="Example: borderscout report refused --since 2026-11-01")
def refused(
    since: Since = None,
    until: Until = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Count what clients were refused before a message was taken, by reason and by client.

    What was refused after a scan is rejected mail: ``borderscout report summary`` counts it.
    """
    found = _asked("refused", Client(url, token_file), since, until)
    if as_json:
        print_json(found)
        return
    print_table(
        ("Reason", "At", ">Refusals"),
        [
            *((row["reason"], row["command"], row["refusals"]) for row in found["reasons"]),
            ("total", "", found["refusals"]),
        ],
    )
    clients = [{**row, "client": row["client"] or "others"} for row in found["clients"]]
    _top(("Client", ">Refusals"), ("client", "refusals"), clients)


@app.command(epilog="Example: borderscout report engines --since 2026-11-01 --by site")
def engines(
    by: Annotated[
        LooksBy | None, typer.Option(help="Groups to list, too.", show_default=False)
    ] = None,
    site: Annotated[str, typer.Option(help="One site; left out: all.", show_default=False)] = "",
    since: Since = None,
    until: Until = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Say which engine finds what the others do not, how fast each is, and how often it is silent.

    Found is what an engine called infected. A time is at most a quarter too long, never too short.
    Counted are looks: a message that waits for an engine is looked at again. JSON has the groups
    always, by day when nothing is said.
    """
    client, groups = Client(url, token_file), by or LooksBy.DAY
    found = _asked("engines", client, since, until, by=groups, site=site or None)
    if as_json:
        print_json(found)
    else:
        print_look_report(found, by)


@app.command(epilog="Example: borderscout report late --customer acme --since 2026-11-01")
def late(
    customer: Annotated[str, typer.Option(help="His recipients alone; left out: all.")] = "",
    since: Since = None,
    until: Until = None,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List mail that was delivered before it was known what it holds, by customer.

    The days are those on which it was found out.
    """
    found = _asked("late", Client(url, token_file), since, until, customer=customer or None)
    if as_json:
        print_json(found)
        return
    if not found["customers"]:
        console.print("nothing was delivered before it was known what it holds")
    if found["messages"] >= LATE_MAX:
        console.print(f"the newest {LATE_MAX} messages; more with --until or --customer")
    for number, one in enumerate(found["customers"]):
        if number:
            console.print()
        console.print(Text(plain(one["customer"] or UNKNOWN_CUSTOMER), style="bold"))
        print_table(
            ("Recipient", "!State", "Delivered (UTC)", "Message", "From", "Threat", "Known by"),
            [row for message in one["messages"] for row in _late_rows(message)],
        )


@app.command(epilog="Example: borderscout report lost --seen lon1/0")
def lost(
    customer: Annotated[str, typer.Option(help="His recipients alone; left out: all.")] = "",
    seen: Annotated[
        str,
        typer.Option(metavar="NODE/SHARD", help="Say that you have seen what this shard lost."),
    ] = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """List mail that died with a node's disk, by customer: accepted, and ended by nobody.

    A shard that began anew with an empty spool has lost what the spool before held. `doctor` fails
    until somebody has said that he has seen it. What a spool tells of after all is lost no more.
    """
    client = Client(url, token_file)
    if seen:
        _see(client, seen, as_json=as_json)
        return
    found = client.ask("GET", "/api/v1/reports/lost", query={"customer": customer or None})
    if as_json:
        print_json(found)
        return
    if not found["customers"]:
        console.print("nothing is known to be lost")
    if found["copies"] >= LATE_MAX:
        console.print(f"the newest {LATE_MAX} copies; more with --customer")
    for number, one in enumerate(found["customers"]):
        if number:
            console.print()
        console.print(Text(plain(one["customer"] or UNKNOWN_CUSTOMER), style="bold"))
        print_table(
            ("Recipient", "!Was", "Received (UTC)", "Message", "From", "Shard", "Seen by"),
            [
                (
                    copy["recipient"],
                    copy["was"],
                    clock_time(copy["received"]),
                    copy["id"],
                    copy["sender"],
                    copy["place"],
                    copy["seen_by"] or "nobody",
                )
                for copy in one["copies"]
            ],
        )


@app.command(epilog="Example: borderscout report probes --site london")
def probes(
    site: Annotated[str, typer.Option(help="One site; left out: all.")] = "",
    target: Annotated[str, typer.Option(help="Servers that have this in their name.")] = "",
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what each site measured to the customers' servers: round trip, success, and its age.

    What is older than a day no plan goes by.
    """
    known = known_probes(Client(url, token_file))
    found = [
        one
        for one in probes_by_site(known.probes)
        if site in ("", one.site) and target.lower() in one.target
    ]
    if as_json:
        made = known.made.isoformat().replace("+00:00", "Z")
        print_json({"made": made, "probes": [_probe_json(one) for one in found]})
    elif not found and known.probes:
        console.print("nothing measured has this site and server; leave them out to see all")
    elif not found:
        console.print("nothing is measured; nodes begin some minutes after their start")
    else:
        print_table(
            ("Server", "Site", ">Round trip", ">Success", ">Tries", ">Age", ""),
            [_probe_row(one) for one in found],
        )


def _probe_json(one: SiteProbe) -> dict[str, Any]:
    return {
        "site": one.site,
        "target": one.target,
        **one.measured._asdict(),
        "age_s": one.age_s,
        "is_fresh": one.is_fresh,
        "nodes": list(one.nodes),
    }


def _probe_row(one: SiteProbe) -> tuple[object, ...]:
    rtt_us = one.measured.rtt_us
    return (
        one.target,
        one.site,
        "-" if rtt_us is None else f"{rtt_us / 1000:.1f} ms",
        f"{math.floor(1000 * one.success_share) / 10:.1f} %",  # 100 only where nothing failed
        one.measured.tries,
        span(max(0, one.age_s)),
        "" if one.is_fresh else "old",
    )


def _see(client: Client, place: str, *, as_json: bool) -> None:
    node, slash, shard = place.rpartition("/")
    if not (node and slash and shard.isdecimal()):
        fail(f"{place} is no NODE/SHARD; see them with: borderscout report lost", status=2)
    body = {"node": node, "shard": int(shard)}
    found = client.ask("POST", "/api/v1/reports/lost/seen", body=body)
    if as_json:
        print_json(found)
    else:
        console.print(plain(f"{counted(found['copies'], 'copy', 'copies')} of {place} seen"))


def _asked(
    report: str, client: Client, since: datetime | None, until: datetime | None, **query: str | None
) -> dict[str, Any]:
    """Return a report as the core tells it, of these days; None: of all from or until then."""
    days = {"since_us": _us(since), "until_us": _us(until, days=1)}
    found: dict[str, Any] = client.ask("GET", f"/api/v1/reports/{report}", query=query | days)
    return found


def _late_rows(message: dict[str, Any]) -> list[tuple[object, ...]]:
    """Return a row for each recipient of a message that was delivered too early."""
    threat = f"{message['threat']} ({message['engine']})"
    known = "a second look" if not message["digest"] else f"{message['by']['id']}"
    return [
        (
            recipient["address"],
            coloured(recipient["state"]),
            clock_time(recipient["delivered"]) if recipient["delivered"] else "-",
            message["id"],
            message["sender"],
            threat,
            f"{known} at {message['by']['node']}, {clock_time(message['found'])}",
        )
        for recipient in message["recipients"]
    ]


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
