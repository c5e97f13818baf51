"""Whose mail does a node hold, and what else there needs an operator?

Pure. The shards of a node hold mail for the same server each on its own; whoever looks at the node
wants to see one line for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from common.counted import counted
from common.reports import HoldReport


def merged_holds(reports: Iterable[HoldReport]) -> tuple[HoldReport, ...]:
    """Return one hold for each destination, sorted: the earliest times, and the sums.

    Args:
        reports: what the shards of one node hold. The reason is that of the shard that holds most.
    """
    found: dict[str, HoldReport] = {}
    for one in reports:
        known = found.get(one.destination)
        found[one.destination] = one if known is None else _both(known, one)
    return tuple(found[name] for name in sorted(found))


def _both(one: HoldReport, other: HoldReport) -> HoldReport:
    larger = max(one, other, key=lambda hold: hold.messages)
    return HoldReport(
        customer=larger.customer,
        destination=larger.destination,
        since_us=min(one.since_us, other.since_us),
        reason=larger.reason,
        messages=one.messages + other.messages,
        bytes=one.bytes + other.bytes,
        oldest_us=min(one.oldest_us, other.oldest_us),
        expires_us=min(one.expires_us, other.expires_us),
    )


def left_to_operators(spool: Mapping[str, int]) -> tuple[str, ...]:
    """Return what of a node's spool goes on only when somebody decides, a sentence each.

    Args:
        spool: recipients by state.
    """
    damaged, frozen = spool.get("damaged", 0), spool.get("frozen", 0)
    found = []
    if damaged:
        found.append(
            f"mail for {counted(damaged, 'recipient')} is damaged: its body cannot be read;"
            " look on the node with: borderscout spool list --config FILE --state damaged"
        )
    if frozen:
        found.append(
            f"mail for {counted(frozen, 'recipient')} is frozen by an operator;"
            " look on the node with: borderscout spool list --config FILE --state frozen"
        )
    return tuple(found)
