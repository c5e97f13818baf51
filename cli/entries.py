"""How is an entry typed and shown that has a reason and an end?

Touches nothing: a list entry and what is said of a threat have both.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from cli.output import console, plain, print_json, when
from common.records.bounds import TIME_US_MAX

Reason = Annotated[str, typer.Option(help="Why; it stands beside the entry.")]
LastDay = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day, UTC.")]


def end_us(last_day: datetime | None) -> int:
    """Return when an entry ends, microseconds since the epoch, UTC; 0: it stands for good."""
    if last_day is None:
        return 0
    ends_s = int(last_day.replace(tzinfo=UTC).timestamp()) + 86_400
    return min(ends_s * 1_000_000, TIME_US_MAX)  # 9999-12-31 ends beyond the calendar


def shown_end(until_us: int) -> str:
    """Return when an entry ends, and whether that was."""
    has_ended = until_us and until_us / 1e6 <= time.time()
    return f"{when(until_us)} (ended)" if has_ended else when(until_us)


def say_done(found: dict[str, Any], as_json: bool, what: str = "") -> None:
    """Print what became of an entry."""
    if as_json:
        print_json(found)
    else:
        console.print(f"revision {found['revision']}: {plain(found['key'])}{what}")


def say_replaced(stood: dict[str, Any] | None, entry: dict[str, Any], *facts: str) -> None:
    """Print what a new entry replaces, once it is another one; nothing when nothing stood.

    Args:
        stood: what was there.
        entry: what stands there now.
        facts: names of what is compared beside reason and end.
    """
    if stood is not None:
        console.print(plain(_replacement(stood, entry, facts)))


def _replacement(stood: dict[str, Any], entry: dict[str, Any], facts: tuple[str, ...]) -> str:
    since = f"since revision {stood['revision']}"
    if all(stood[name] == entry[name] for name in ("reason", "until_us", *facts)):
        return f"it stood so already, {since}"
    until = f"until {when(stood['until_us'])} UTC" if stood["until_us"] else "for good"
    was = "".join(f", {name} {stood[name]}" for name in facts)
    reason = f": {stood['reason']}" if stood["reason"] else ", without a reason"
    return f"it replaces what stood {since}, {until}{was}{reason}"
