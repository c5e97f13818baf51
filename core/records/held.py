"""Why is held mail still there, and when is it tried next?

Pure. Records tell of a hold when it takes mail in, and of no probe that fails: a week of a server's
absence would be a million records of it. What is true now the nodes report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.address import AddressError, parse_address
from common.reports import HoldReport
from common.states import State
from core.records.search import iso_time

PROBED_WITHIN_US = 45_000_000  # each shard asks a server that is away at least so often (P10)


def tell_as_it_is_now(
    recipient: dict[str, Any], holds: Mapping[str, HoldReport], *, now_us: int
) -> None:
    """Let a recipient of ``track --json`` say what holds now instead of what held once.

    Args:
        recipient: as his records tell; changed.
        holds: what his node holds, by destination.
        now_us: the current time.
    """
    hold = holds.get(_domain(recipient["address"])) if recipient["state"] == State.HELD else None
    if hold is not None:
        recipient["reason"] = hold.reason
        recipient["next"] = iso_time(now_us + PROBED_WITHIN_US)  # at the latest
    elif recipient.get("next", "") <= iso_time(now_us):
        recipient.pop("next", None)  # what was due is under way, or its record is


def _domain(address: str) -> str:
    try:
        return parse_address(address).domain
    except AddressError:
        return ""
