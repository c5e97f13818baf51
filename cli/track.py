"""``borderscout track``: what happened to a message, and why?"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from cli.client import Client, TokenFile, Url
from cli.output import AsJson, coloured, console, plain, print_lines, print_table

EXAMPLE = "Example: borderscout track x@acme.example"

_SHOWN = ("reason", "detail", "disposition", "outcome", "host", "reply", "revision", "score")


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
    for message in found:
        _show(message)


def _show(message: dict[str, Any]) -> None:
    console.rule(Text(f"{message['id']}  {plain(message.get('subject') or '(no subject)')}"))
    console.print(
        Text(
            f"received {message['received']} at {message['node']}/{message['shard']}"
            f" from {message['client']}, sender <{plain(message['sender'])}>,"
            f" {message['size']} octets, revision {message['revision']}"
        )
    )
    print_table(
        ("Recipient", "State", "What decided", ">Tries", "Reply"),
        [
            (
                recipient["address"],
                coloured(recipient["state"]),
                recipient["reason"],
                recipient["attempts"],
                recipient["reply"],
            )
            for recipient in message["recipients"]
        ],
    )
    print_table(
        ("Verdict of", "Outcome", "Version", ">ms", "Evidence"),
        [
            (
                verdict["by"],
                coloured(verdict["outcome"]),
                verdict["version"],
                verdict["ms"],
                verdict["detail"],
            )
            for verdict in message["verdicts"]
        ],
    )
    print_table(
        ("Time", "Event", "What"),
        [(event["time"], event["event"], _facts(event)) for event in message["events"]],
    )


def _facts(event: dict[str, Any]) -> str:
    facts = [f"{name}={event[name]}" for name in _SHOWN if event.get(name) not in (None, "")]
    for recipient in event.get("recipients", ()):
        if isinstance(recipient, dict):
            said = [str(recipient[name]) for name in _SHOWN if recipient.get(name)]
            facts.append(f"{recipient.get('address')}: {' '.join(said)}")
        else:
            facts.append(str(recipient))
    return "; ".join(facts)
