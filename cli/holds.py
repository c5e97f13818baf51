"""How are customers that are away shown, and what was ordered for their mail?

Touches the terminal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from rich.text import Text

from cli.output import (
    clock_time,
    console,
    octets,
    plain,
    print_table,
    seconds_since,
    span,
    when,
)
from cli.silence import print_silent
from common.counted import counted

COLUMNS = ("!Site", "!Node", "!Since (UTC)", ">Messages", ">Size", ">Oldest", "!Expires")


def print_holds(found: dict[str, Any]) -> None:
    """Print who is away, a table of sites for each, then what else an operator should know."""
    groups = groupby(found["holds"], key=lambda one: (one["customer"], one["destination"]))
    shown: set[str] = set()
    for _, rows in groups:
        if shown:
            console.print()
        sites = list(rows)
        _print_destination(sites)
        shown.add(sites[0]["destination"])
    if not shown:
        console.print("nobody is away")
    others = [order for order in found["orders"] if order["domain"] not in shown]
    if others:
        console.print()
        print_orders(others)
    print_silent(found["silent"], "what it holds now")


def print_orders(orders: Sequence[dict[str, Any]]) -> None:
    """Print the orders that stand."""
    print_table(
        ("!Domain", "!Customer", "Ordered"),
        [
            (order["domain"], order["customer"] or "no route", order_in_words(order))
            for order in orders
        ],
    )


def _print_destination(sites: Sequence[dict[str, Any]]) -> None:
    first = sites[0]
    whose = f" of {first['customer']}" if first["customer"] else ""
    title = Text.assemble(
        (plain(first["destination"]), "bold"),
        plain(f"{whose} is away: {_reasons(sites)}"),
    )
    console.print(title)
    if first["order"] is not None:
        console.print(f"  ordered: {plain(order_in_words(first['order']))}")
    print_table(COLUMNS, [_row(one) for one in sites], indent=2)


def _reasons(sites: Sequence[dict[str, Any]]) -> str:
    if len({one["why"] for one in sites}) == 1:
        return str(sites[0]["why"])
    return "; ".join(f"{one['node']}: {one['why']}" for one in sites)


def _row(hold: dict[str, Any]) -> tuple[object, ...]:
    return (
        hold["site"],
        hold["node"],
        clock_time(hold["since"])[:16],
        hold["messages"],
        octets(hold["bytes"]),
        f"{span(max(0.0, seconds_since(hold['oldest'])))} ago",
        _expires(hold["expires"]),
    )


def _expires(text: str) -> str:
    left_s = -seconds_since(text)
    return f"in {span(left_s)}" if left_s > 0 else "now"


def order_in_words(order: dict[str, Any] | None) -> str:
    """Return what was ordered in a line; empty when nothing was."""
    if order is None:
        return ""
    parts = []
    if order["hold_days"]:
        parts.append(f"held for {counted(order['hold_days'], 'day')} in all")
    if order["deliver_to"]:
        parts.append(f"delivered to {', '.join(order['deliver_to'])}")
    if order["bounce_before"]:
        until = clock_time(order["bounce_before"])
        parts.append(f"back to its senders if accepted before {until} UTC")
    words = "; ".join(parts)
    return f"{words} ({order['reason']})" if order["reason"] else words


def hold_in_words(hold: dict[str, Any]) -> str:
    """Return in a line who is away, since when and why, and what is held."""
    whose = f"{hold['customer']} is away at" if hold["customer"] else "away:"
    return (
        f"{whose} {hold['destination']} since {when(hold['since_us'])}:"
        f" {counted(hold['messages'], 'message')} held ({octets(hold['bytes'])}),"
        f" the first until {when(hold['expires_us'])}; {hold['reason']}"
    )


def what_is_held(domain: str, found: dict[str, Any]) -> str:
    """Return in words how much is held for a domain, and where, as far as that is known."""
    rows = found["holds"]
    if not rows:
        return f"what may be held for {domain} (nothing is known of)"
    messages = sum(one["messages"] for one in rows)
    size = octets(sum(one["bytes"] for one in rows))
    return f"{counted(messages, 'message')} ({size}) for {domain} at {_named(rows)}"


def _named(rows: Iterable[dict[str, Any]]) -> str:
    return ", ".join(f"{one['site']}/{one['node']}: {one['messages']}" for one in rows)
