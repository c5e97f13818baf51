"""Why is a message still here, when is it tried next, and how much of its time is left?

Pure: words for what a satellite answered; the time comes in as ``now_us``.
"""

from __future__ import annotations

from cli.output import span, when
from common.counted import counted
from common.states import OUTCOMES, State
from satellite.console.questions import HoldDescription, RecipientDescription
from satellite.spool.model.zero_hour import PREFIX

_KEPT = "kept for later definitions"
_FOR_A_SERVER = {State.QUEUED, State.DEFERRED, State.HELD}  # what waits for one that is away
_MEANINGS = {
    State.RECEIVED: "accepted, and not scanned yet",
    State.WAITING: "an engine that must answer does not",
    State.QUEUED: "judged, and not tried yet",
    State.SENDING: "being delivered at this moment",
    State.DEFERRED: "tried, and to be tried again",
    State.HELD: "the customer's server is away",
    State.FROZEN: "stopped until somebody resumes it",
    State.DAMAGED: "its body cannot be read",
}


def why(recipient: RecipientDescription) -> str:
    """Return why a recipient's copy is where it is."""
    is_kept = recipient.state is State.WAITING and recipient.reason.startswith(PREFIX)
    reasons = [_KEPT if is_kept else _MEANINGS.get(recipient.state, "")]
    hold = _hold(recipient)
    if hold is not None:
        reasons = [f"the server is away since {when(hold.since_us)} UTC", hold.reason]
    reasons += [recipient.reason, recipient.reply]
    return ": ".join(dict.fromkeys(reason for reason in reasons if reason))


def next_try(recipient: RecipientDescription, *, now_us: int) -> str:
    """Return when something is done for it next; empty once it has ended.

    Args:
        recipient: as the satellite described it.
        now_us: the wall clock, microseconds since the epoch, UTC.
    """
    state, hold = recipient.state, _hold(recipient)
    if state in OUTCOMES:
        return ""
    if state is State.FROZEN:
        return "none before it is resumed"
    if state is State.DAMAGED:
        return "none before somebody resumes, bounces or drops it"
    if state is State.SENDING:
        return "under way"
    if hold is not None:
        probe_in_s = hold.probe_in_s
        return "a probe is under way" if probe_in_s is None else f"probe {_within(probe_in_s)}"
    return _within((recipient.next_us - now_us) / 1e6)


def time_left(recipient: RecipientDescription) -> str:
    """Return how much of its days a recipient's copy has left; empty once it has ended."""
    left_s = recipient.left_s
    if left_s is None:
        return ""
    days = counted(recipient.hold_days, "day")
    if left_s > 0:
        return f"{span(left_s)} of {days}"
    return f"nothing of {days}: it goes back to its sender"


def route(recipient: RecipientDescription) -> str:
    """Return where its mail goes."""
    hosts = ", ".join(recipient.hosts)
    if not hosts or hosts == recipient.destination:
        return recipient.destination
    return f"{recipient.destination} by {hosts}"


def _hold(recipient: RecipientDescription) -> HoldDescription | None:
    """Return the hold that keeps it here; one of mail that is not so far keeps nothing."""
    return recipient.hold if recipient.state in _FOR_A_SERVER else None


def _within(seconds: float) -> str:
    return f"in {span(seconds)}" if seconds >= 1 else "now"
