"""``borderscout status``: how is the cluster?"""

from __future__ import annotations

from typing import Any

from rich.text import Text

from cli.client import Client, TokenFile, Url
from cli.holds import hold_in_words
from cli.output import (
    AsJson,
    coloured,
    console,
    counted,
    plain,
    print_json,
    print_table,
    span,
)

HOLDS_MAX = 20  # shown of one node: a provider with a thousand domains may be away
EXAMPLE = "Example: borderscout status --url http://127.0.0.1:8080 --token-file out/core/token"


def status(url: Url = "", token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show every node: applied revision, lag, what waits, which engines answer, who is held."""
    found = Client(url, token_file).ask("GET", "/api/v1/status")
    if as_json:
        print_json(found)
        return
    console.print(
        f"cluster {plain(found['cluster'])}, core {plain(found['core'])}"
        f" {plain(found['version'])}, revision {found['revision']}"
    )
    print_table(
        ("!Node", "!Site", "!State", ">Applied", ">Lag", ">Queue", ">Outbox", "Engines", "Accepts"),
        [_row(node) for node in found["nodes"]],
    )
    for node in found["nodes"]:
        for line in remarks(node):
            console.print(Text(f"{node['node']}: {plain(line)}", style="yellow"))


def _row(node: dict[str, Any]) -> tuple[object, ...]:
    engines = Text(" ").join(
        Text(plain(engine["name"]), style="green" if engine["answering"] else "red")
        for engine in node["engines"]
    )
    return (
        node["node"],
        node["site"],
        coloured(node["state"]),
        "-" if node["applied"] is None else node["applied"],
        "unknown" if node["lag"] is None else node["lag"],
        sum(node["spool"].values()),
        node["outbox_records"] + node["outbox_quarantine"],
        engines,
        "yes" if node["accepting"] else "no",
    )


def remarks(node: dict[str, Any]) -> list[str]:
    """Return what an operator should know of a node, a line each."""
    found = list(node["problems"])
    if node["not_accepting_reason"]:
        found.append(f"accepts no mail: {node['not_accepting_reason']}")
    refused = node["refused"]
    if refused is not None:
        found.append(
            f"refused revision {refused['revision']}: {refused['kind']} {refused['key']}:"
            f" {refused['reason']}"
        )
    found.extend(
        f"engine {engine['name']} does not answer: {engine['detail']}"
        for engine in node["engines"]
        if not engine["answering"]
    )
    found.extend(hold_in_words(hold) for hold in node["holds"][:HOLDS_MAX])
    more = len(node["holds"]) - HOLDS_MAX
    if more > 0:
        found.append(f"{counted(more, 'further destination')} away; see borderscout hold list")
    if node["state"] == "silent":
        heard = node["heard_s_ago"]
        found.append("was never heard" if heard is None else f"silent for {span(heard)}")
    return found
