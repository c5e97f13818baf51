"""``borderscout track``: what happened to a message, or why was none taken?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import Client, TokenFile, Url
from cli.facts import facts
from cli.output import (
    AsJson,
    clock_time,
    coloured,
    console,
    fail,
    plain,
    print_lines,
    print_table,
    span,
)
from cli.silence import print_silent
from common.records import ToldVerdict, from_object, verdict_from_object
from common.records.items import ToldTest
from common.verdict import Effect, age_word, version_line
from core.records.search import What, parse_query

EXAMPLE = "Example: borderscout track x@acme.example"

_OF_LISTS = frozenset({Effect.ALLOW, Effect.BLOCK})  # what is told instead of points
_TestName = tuple[str, str, str | None]  # by, name, recipient
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def track(
    query: Annotated[
        str,
        typer.Argument(
            help="Our id, a Message-ID in <>, an address, a domain, or a client's IP address."
        ),
    ],
    limit: Annotated[
        int, typer.Option(help="Messages at the most, and refusals.", min=1, max=1000)
    ] = 20,
    refused: Annotated[bool, typer.Option("--refused", help="Refusals alone.")] = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show each message that fits: verdicts, what decided, and each delivery reply.

    What was refused before a message was taken follows; with ``--json`` only by ``--refused``. When
    nothing is known, that is said, and what was looked at; with ``--json`` there is no line.
    """
    wanted = parse_query(query)
    if wanted is None:
        fail(
            f"{query[:100]!r} is neither an id of ours, a Message-ID in <>, an address, a domain"
            " nor an IP address; quote a Message-ID, since a shell reads < and >",
            status=2,
        )
    client, asked = Client(url, token_file), {"query": query, "limit": limit}
    messages = [] if refused else client.ask("GET", "/api/v1/messages", query=asked)["messages"]
    if as_json and not refused:
        print_lines(messages)
        return
    refusals = client.ask("GET", "/api/v1/refusals", query=asked)["refusals"]
    if as_json:
        print_lines(refusals)
        return
    for number, message in enumerate(messages):
        if number:
            console.print()
        _show(message)
    if refusals:
        if messages:
            console.print()
        _show_refusals(refusals)
    if not messages and not refusals:
        _say_nothing_known(client, query, wanted.what, refused=refused)


# What a search compares a query with. A refusal has no id.
_COMPARED = {
    What.MESSAGE: "ids",
    What.MESSAGE_ID: "Message-IDs",
    What.ADDRESS: "senders and recipients",
    What.DOMAIN: "domains of senders and recipients",
    What.CLIENT: "clients",
}
_ONLY_OF_MESSAGES = frozenset({What.MESSAGE, What.MESSAGE_ID})


def _say_nothing_known(client: Client, query: str, what: What, *, refused: bool) -> None:
    """Say where was looked in vain, and who may know more than the core."""
    where = [
        *["messages"] * (not refused),
        *["refusals"] * (what not in _ONLY_OF_MESSAGES),
    ]
    looked_at = f"{_COMPARED[what]} of {' and '.join(where)}" if where else "refusals have no id"
    console.print(plain(f"nothing known of {query} (looked at: {looked_at})"))
    nodes = client.ask("GET", "/api/v1/status")["nodes"]
    print_silent((node for node in nodes if node["state"] == "silent"), "what it took since")


def _show_refusals(refusals: list[dict[str, Any]]) -> None:
    print_table(
        ("Refused (UTC)", "At", "What"),
        [
            (clock_time(one["time"]), f"{one['node']}/{one['shard']}", "; ".join(_facts(one)))
            for one in refusals
        ],
    )


def _show(message: dict[str, Any]) -> None:
    title = f"{message['id']}  {plain(message.get('subject') or '(no subject)')}"
    console.print(Text(title, style="bold"))
    console.print(
        plain(
            f"from <{message['sender']}> by {message['client'] or '-'} at {message['node']}"
            f"/{message['shard']}, {clock_time(message['received'])} UTC, {message['size']} octets,"
            f" revision {message['revision']}"
        )
    )
    if message.get("message_id"):
        console.print(plain(message["message_id"]))
    for recipient in message["recipients"]:
        _show_recipient(recipient)
    verdicts = [verdict_from_object(verdict) for verdict in message["verdicts"]]
    if verdicts:
        console.print()
        print_table(
            ("Verdict of", "!Outcome", ">ms", "Version", ">Age", "Evidence"),
            [_verdict(verdict, _time_us(message["scanned"])) for verdict in verdicts],
        )
        _show_tests(verdicts, _counted(message["verdicts"]))
    console.print()
    print_table(
        (">After", "!Event", "What"),
        [
            (_after(message, event), event["event"], "; ".join(_facts(event)))
            for event in message["events"]
        ],
    )


def _show_recipient(recipient: dict[str, Any]) -> None:
    tries = recipient["attempts"]
    tried = f", {tries} tries" if tries > 1 else ""
    console.print(
        Text.assemble(f"  {plain(recipient['address'])}  ", coloured(recipient["state"]), tried)
    )
    for name, label in (("reason", "because"), ("reply", "reply"), ("next", "next try")):
        value = recipient.get(name)
        if value:
            shown = f"{clock_time(value)} UTC" if name == "next" else value
            console.print(f"    {label:8} {plain(shown)}")


def _verdict(verdict: ToldVerdict, scanned_us: int) -> tuple[object, ...]:
    scoped = [f"for {one.scope}: {one.outcome} {', '.join(one.threats)}" for one in verdict.scoped]
    evidence = ", ".join(filter(None, (verdict.detail, *scoped)))
    version = version_line(verdict.version, verdict.definitions)
    age = age_word(verdict.definitions_us, at_us=scanned_us)
    return (verdict.by, coloured(verdict.outcome), verdict.ms, version, age, evidence)


def _counted(verdicts: Sequence[dict[str, Any]]) -> dict[_TestName, str]:
    """Return the points of each test that a weight changed, with its own ones behind."""
    found = {}
    for verdict in verdicts:
        for test in verdict.get("tests", ()):
            if counted := test.get("counted"):
                said = ", ".join(
                    f"{one['score']:g}"
                    + (f" for {one['scope']}" if one["scope"] != "cluster" else "")
                    for one in counted
                )
                own = f"{said} (own {test['score']:g})"
                found[verdict["by"], test["name"], test.get("recipient")] = own
    return found


def _show_tests(verdicts: Sequence[ToldVerdict], counted: Mapping[_TestName, str]) -> None:
    """Show why there are points: each test that a filter tells of, with its evidence."""
    tests = [(verdict.by, test) for verdict in verdicts for test in verdict.tests]
    if tests:
        console.print()
        print_table(
            ("Test of", "!Test", ">Points", "Only for", "Evidence"),
            [
                (by, test.name, _points(test, counted.get((by, test.name, test.recipient))),
                 test.recipient or "", test.detail)
                for by, test in tests
            ],
        )  # fmt: skip


def _points(test: ToldTest, counted: str | None) -> str:
    if test.effect in _OF_LISTS:
        return test.effect
    return counted if counted is not None else f"{test.score:g}"


def _time_us(text: str) -> int:
    """Return a time of the API (ISO 8601, UTC) in microseconds since the epoch."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def _facts(event: dict[str, Any]) -> list[str]:
    """Return what an event of ``track --json`` tells a person."""
    told = {name: value for name, value in event.items() if name not in _OF_THE_CORE}
    return facts(from_object(event["event"], told)) if told else []


_OF_THE_CORE = {"time", "event", "flaw", "node", "shard"}  # the rest are the record's own fields


def _after(message: dict[str, Any], event: dict[str, Any]) -> str:
    received, then = (datetime.fromisoformat(one) for one in (message["received"], event["time"]))
    return span(max(0.0, (then - received).total_seconds()))
