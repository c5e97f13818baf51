"""``borderscout inventory join-token``, ``members``, ``rotate-keys``: who is in, with what?"""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import Client, CoreFailure, TokenFile, Url
from cli.output import AsJson, clock_time, complain, console, fail, print_json, print_table
from cli.polling import Glance, poll

HOUR_S, DAY_S = 3_600, 86_400
POLL_S = 1.0  # a node looks once a minute
WAIT_S_MAX = 600.0
NOT_FOUND = 404
_SPAN = re.compile(r"([0-9]{1,6})(s|m|h|d|)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": HOUR_S, "d": DAY_S}


def _named(node: str) -> str:
    """Return a node's name, or refuse what is none: a path of the API would mean something else."""
    if not node.strip():
        raise typer.BadParameter("is empty: name a node; borderscout status shows those there are")
    return node


NodeName = Annotated[
    str,
    typer.Argument(metavar="NODE", help="The node's name in the inventory.", callback=_named),
]


def join_token(
    node: Annotated[
        str, typer.Argument(metavar="NODE", help="The node that is to join.", show_default=False)
    ] = "",
    span: Annotated[
        str,
        typer.Option("--for", metavar="TIME", help="How long it is good, at most 24h."),
    ] = "1h",
    again: Annotated[
        bool,
        typer.Option("--again", help="It may replace a node that has joined: its keys end then."),
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Show the tokens that nobody has used, instead.")
    ] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Make NODE's unused tokens worthless, instead.")
    ] = False,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a token that a node joins with, once.

    The token is a secret: whoever has it can be that node until it is used or over. The node's
    private keys are made there, and never travel.
    """
    client = Client(url, token_file)
    if list_:
        _list(client, as_json)
        return
    if not node:
        fail("name the node that is to join, or use --list", status=2)
    if withdraw:
        _withdraw(client, node, as_json)
        return
    asked = {"node": node, "for_s": _seconds(span), "again": again}
    found = client.ask("POST", "/api/v1/join-tokens", body=asked)
    if as_json:
        print_json(found)
        return
    print(found["token"])
    complain(f"good once, for {span}; on {node}, as root: borderscout satellite join -")
    complain("it asks for the token there, so that it stands in no list of processes")


def _list(client: Client, as_json: bool) -> None:
    tokens = client.ask("GET", "/api/v1/join-tokens")["tokens"]
    if as_json:
        print_json({"tokens": tokens})
    elif not tokens:
        console.print("no token waits to be used")
    else:
        rows = [
            (one["node"], clock_time(one["expires"]), one["by"], "yes" if one["again"] else "")
            for one in tokens
        ]
        print_table(("Node", "!Good until", "By", "Again"), rows)


def _withdraw(client: Client, node: str, as_json: bool) -> None:
    found = client.ask("DELETE", f"/api/v1/join-tokens/{quote(node, safe='')}")
    if as_json:
        print_json(found)
    else:
        count = found["withdrawn"]
        console.print(f"{node}: {count} token{'s' * (count != 1)} withdrawn")


def members(url: Url = "", token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the nodes that have joined, until when their certificates are good, and their keys."""
    found = Client(url, token_file).ask("GET", "/api/v1/members")
    if as_json:
        print_json(found)
        return
    for problem in found["problems"]:
        complain(f"warning: {problem}")
    if not found["members"]:
        console.print("no node has joined; make a token: borderscout inventory join-token NODE")
        return
    rows = [
        (
            one["node"],
            clock_time(one["joined"]),
            _state(one),
            clock_time(one["certificates"][-1]["ends"]) if one["certificates"] else "-",
            one["wireguard"] or "-",
        )
        for one in found["members"]
    ]
    print_table(("Node", "!Joined", "State", "!Certificate until", "WireGuard"), rows)


def _state(member: dict[str, Any]) -> str:
    if member["revoked"]:
        return "revoked"
    return "changing keys" if member["rotating_since"] else "member"


def rotate_keys(
    node: NodeName,
    wait: Annotated[
        bool, typer.Option(help="Wait until the old keys are gone, and show how far it is.")
    ] = True,
    url: Url = "",
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Change a member's certificates and WireGuard key now, without an interruption.

    The new keys come beside the old ones; once the node works with them, the old ones go.
    Interrupted or repeated at any point, it ends as it should.
    """
    client = Client(url, token_file)
    path = f"/api/v1/members/{quote(node, safe='')}/rotate"
    before = client.ask("POST", path)
    found = _watched(client, node, before) if wait else before
    if as_json:
        print_json(found)
    elif found["rotating_since"]:
        console.print(f"{node} is told; see how far it is with: borderscout inventory members")
    else:
        console.print(f"{node} works with new keys, and the old ones are worth nothing")


def _watched(client: Client, node: str, before: dict[str, Any]) -> dict[str, Any]:
    known = {one["serial"] for one in before["certificates"]}

    def look(_waited_s: float) -> Glance[dict[str, Any]]:
        found = _of(client, node)
        return Glance(found, not found["rotating_since"], *_how_far(found, known))

    goes_on = f"{node} goes on changing its keys; see borderscout inventory members"
    seen = poll(look, every_s=POLL_S, within_s=WAIT_S_MAX, interrupted=goes_on)
    if not seen.is_over:
        fail(
            f"{node} has not changed its keys within {WAIT_S_MAX:.0f} s; does it run, and"
            " reach the join door? Its log says why; this may be repeated"
        )
    return seen.found


def _how_far(member: dict[str, Any], known: set[str]) -> tuple[str, int, int]:
    if not {one["serial"] for one in member["certificates"]} - known:
        return "waiting for the node to ask", 0, 3
    if member["wireguard_beside"]:
        return "new keys are let in beside the old ones", 1, 3
    return "the node works with the new keys", 2, 3


def _of(client: Client, node: str) -> dict[str, Any]:
    members = client.ask("GET", "/api/v1/members")["members"]
    found = [one for one in members if one["node"] == node and not one["revoked"]]
    if not found:
        fail(f"{node} is no member any more")
    one: dict[str, Any] = found[0]
    return one


def revoke_member(client: Client, node: str, *, as_json: bool) -> None:
    """Let nothing of a member in any more, and say so."""
    try:
        found = client.ask("POST", f"/api/v1/members/{quote(node, safe='')}/revoke")
    except CoreFailure as failure:
        if failure.status != NOT_FOUND:
            raise
        # Who revokes has no use for the advice to let it join: the thief would still be in.
        raise CoreFailure(
            f"{node} has not joined, or was revoked already: nothing was done",
            hint="when its keys were rendered, make them anew: borderscout inventory revoke"
            f" {node} FILE --out DIR",
            status=failure.status,
        ) from None
    if as_json:
        print_json(found)
        return
    calls = found["calls_ended"]
    console.print(f"{node}: nothing that it has is let in; {calls} open calls have ended")
    console.print(f"let a machine take its place: borderscout inventory join-token {node}")


def _seconds(span: str) -> int:
    match = _SPAN.fullmatch(span.strip())
    found = int(match[1]) * _UNITS_S[match[2]] if match else 0
    if not 60 <= found <= DAY_S:
        fail(f"--for {span!r} is no time from 1m to 24h; write 30m or 1h", status=2)
    return found
