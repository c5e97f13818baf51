"""Is mail that would be delivered kept for later definitions, for whom, and for how much longer?

Pure. Mail of risky types is kept from its arrival on for the minutes that the recipient's policy
says, and is scanned again when they are over: what nobody knew at nine may be known at half past.
The minutes are those of the spool's age, which no jump of the wall clock moves.
Source: docs/second-look.md.
"""

from __future__ import annotations

from collections.abc import Collection

from common.preferences.policy import Policy
from common.preferences.risky_types import RiskyType
from satellite.judging.disposition import Cause, Disposed, Done, said
from satellite.spool.model.messages import Recipient
from satellite.spool.model.zero_hour import ENDED, PREFIX

NO_TIME = "our reader has no time to say of which type it is"
MINUTE_US = 60 * 1_000_000


def left_us(policy: Policy, recipient: Recipient, *, age_us: int) -> int:
    """Return for how much longer mail of risky types is kept from a recipient, in µs; 0: no longer.

    Args:
        policy, recipient: whose.
        age_us: of the message, by the spool's clock.
    """
    if policy.zero_hour is None or recipient.reason == ENDED:
        return 0
    return max(0, int(policy.zero_hour * MINUTE_US) - age_us)


def kept(
    disposed: Disposed, policy: Policy, types: Collection[RiskyType] | None
) -> Disposed | None:
    """Return what is done instead of delivering mail of these types now; None: deliver it.

    Args:
        disposed: what engines, filters and policy come to.
        policy: of the recipient, whose zero hour is not over.
        types: what the message is, or holds; None: nobody had time to look, and somebody may soon,
            as with an engine that is away.
    """
    if disposed.disposition is not Done.DELIVER:
        return None
    why = said(policy, "zero_hour")
    if types is None:
        return _waiting(disposed, Cause.UNAVAILABLE, f"unavailable: {NO_TIME}; {why}")
    meant = [one for one in RiskyType if one in policy.zero_hour_types.types and one in types]
    if not meant:
        return None
    what = ", ".join(meant)
    return _waiting(disposed, Cause.ZERO_HOUR, f"{PREFIX} {what}, to be scanned again; {why}")


def _waiting(disposed: Disposed, cause: Cause, reason: str) -> Disposed:
    return Disposed(
        disposition=Done.WAIT,
        marked=disposed.marked,
        cause=cause,
        reason=reason,
        spam=disposed.spam,
        score=disposed.score,
        required=disposed.required,
    )
