"""``borderscout track``: what happened to a message, and why?"""

from __future__ import annotations

from datetime import datetime
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
    plain,
    print_lines,
    print_table,
    span,
)
from common.records import ToldVerdict, from_object, verdict_from_object

EXAMPLE = "Example: borderscout track x@acme.example"


def track(
    query: Annotated[
        str, typer.Argument(help="Our id, a Message-ID in <>, an address or a domain.")
    ],
    limit: Annotated[int, typer.Option(help="Messages at the most.", min=1, max=1000)] = 20,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Show each message that fits: verdicts, what decided, and each delivery reply."""
    found = Client(url, token_file).ask(
        "GET", "/api/v1/messages", query={"query": query, "limit": limit}
    )["messages"]
    if as_json:
        print_lines(found)
        return
    for number, message in enumerate(found):
        if number:
            console.print()
        _show(message)


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
    if message["verdicts"]:
        console.print()
        print_table(
            ("Verdict of", "!Outcome", ">ms", "Version", "Evidence"),
            [_verdict(verdict_from_object(verdict)) for verdict in message["verdicts"]],
        )
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


def _verdict(verdict: ToldVerdict) -> tuple[object, ...]:
    tests = [f"{test.name} {test.score:g}" for test in verdict.tests]
    evidence = ", ".join(filter(None, (verdict.detail, *tests)))
    return (verdict.by, coloured(verdict.outcome), verdict.ms, verdict.version, evidence)


def _facts(event: dict[str, Any]) -> list[str]:
    """Return what an event of ``track --json`` tells a person."""
    told = {name: value for name, value in event.items() if name not in _OF_THE_CORE}
    return facts(from_object(event["event"], told)) if told else []


_OF_THE_CORE = {"time", "event", "flaw"}  # the rest are the record's own fields


def _after(message: dict[str, Any], event: dict[str, Any]) -> str:
    received, then = (datetime.fromisoformat(one) for one in (message["received"], event["time"]))
    return span(max(0.0, (then - received).total_seconds()))
