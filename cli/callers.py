"""Who calls the core and is not let in, and what mends it?

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cli.checks import DoctorCheck
from common.identity import JOIN_AGAIN

LEAVE = (
    "if it was removed, let it finish there: borderscout satellite drain --config FILE, then"
    " systemctl disable --now borderscout-satellite.socket borderscout-satellite; if it belongs"
    " here,"
)
SETTLE = (
    f"{LEAVE} put it in the inventory, and type: borderscout inventory apply FILE; where its keys"
    " were rendered: borderscout inventory render FILE --out DIR, and copy the folders, the core's"
    " first: it takes its own over by itself"
)


def refused_callers(status: Mapping[str, Any]) -> Iterator[DoctorCheck]:
    """Yield each caller that the core does not let in.

    Args:
        status: what the core's API says of itself; one of an earlier version does not say this.
    """
    seen = set()
    for caller in status.get("refused_callers", ()):
        who = caller["name"] or "somebody"
        if (same := (who, caller["host"], caller["reason"])) in seen:
            continue  # another kind of refusal, in the same words
        seen.add(same)
        yield DoctorCheck(
            name=f"calls of {who}",
            ok=False,
            found=f"{caller['reason']}, and calls from {caller['host']}",
            remedy=_rejoin(who) if JOIN_AGAIN in caller["reason"] else SETTLE,
        )


def _rejoin(node: str) -> str:
    return (
        f"{LEAVE} let it join again: borderscout inventory join-token {node}, and there:"
        " borderscout satellite join"
    )
