"""Have all sites applied a change?

Touches the terminal and, through the client, the core. A site that is silent, or refuses this core,
is not waited for: it takes the change when it is back, and that is said. A site counts once what it
has in force is the core's own set, digest for digest: the same number may be another history's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from cli.client import Client
from cli.output import console, plain
from cli.polling import Glance, poll

WAIT_S = 20.0  # a site that is there has a change within a second or two
LOOK_S = 0.2
Nodes = Sequence[dict[str, Any]]  # as `status` of the API tells them
GOES_ON = "it is published, and the sites go on applying it; see borderscout status"

Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Return once the sites that are there have it.")
]


@dataclass(frozen=True, slots=True)
class AppliedRevisions:
    """The nodes that have a change, and those that do not, each with why."""

    nodes: tuple[str, ...]
    pending: tuple[tuple[str, str], ...]

    def as_json(self) -> dict[str, Any]:
        return {"applied": list(self.nodes), "pending": dict(self.pending)}


def wait_until_applied(client: Client, revision: int) -> AppliedRevisions:
    """Return who has a revision, once all have it that are there, or the time is over."""

    def look(_waited_s: float) -> Glance[tuple[Nodes, Nodes]]:
        nodes = client.ask("GET", "/api/v1/status")["nodes"]
        done = [node for node in nodes if _has(node, revision)]
        is_there = [node for node in nodes if _can_have_it(node)]
        is_over = all(node in done for node in is_there)
        return Glance((nodes, done), is_over, "the sites apply it", len(done), len(is_there))

    nodes, done = poll(look, every_s=LOOK_S, within_s=WAIT_S, interrupted=GOES_ON).found
    return AppliedRevisions(
        tuple(node["node"] for node in done),
        tuple((node["node"], _why(node, revision)) for node in nodes if node not in done),
    )


def say_applied(applied: AppliedRevisions) -> None:
    """Print who has the change, and who gets it later."""
    if applied.nodes:
        console.print(f"applied at {plain(', '.join(applied.nodes))}")
    for node, why in applied.pending:
        console.print(f"not yet at {plain(node)}: {plain(why)}", style="yellow")


def _can_have_it(node: dict[str, Any]) -> bool:
    """Say whether it makes sense to wait for a site."""
    return node["state"] != "silent" and not node["core_refused"]


def _has(node: dict[str, Any], revision: int) -> bool:
    agreed = node["agreed"]
    return agreed is not None and agreed >= revision


def _why(node: dict[str, Any], revision: int) -> str:
    if node["core_refused"]:
        return f"it refuses this core: {node['core_refused']}"
    refused = node["refused"]
    if refused is not None and refused["revision"] >= revision:
        return f"it refused {refused['kind']} {refused['key']}: {refused['reason']}"
    if node["state"] == "silent":
        return "it is silent, and takes it when it is back"
    return "it has not applied it so far"
