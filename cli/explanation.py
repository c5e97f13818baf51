"""Why is a message still here, when is it tried next, and how much of its time is left?

Pure: words for what a satellite answered; the time comes in as ``now_us``.
"""

from __future__ import annotations

from typing import Any

from cli.output import counted, span, when

_ENDED = frozenset({"delivered", "quarantined", "dropped", "rejected", "bounced", "expired"})
_FOR_A_SERVER = frozenset({"queued", "deferred", "held"})  # what waits for one that is away
_MEANINGS = {
    "received": "accepted, and not scanned yet",
    "waiting": "an engine that must answer does not",
    "queued": "judged, and not tried yet",
    "sending": "being delivered at this moment",
    "deferred": "tried, and to be tried again",
    "held": "the customer's server is away",
    "frozen": "stopped until somebody resumes it",
    "damaged": "its body cannot be read",
}


def why(recipient: dict[str, Any]) -> str:
    """Return why a recipient's copy is where it is."""
    reasons = [_MEANINGS.get(recipient["state"], "")]
    hold = _hold(recipient)
    if hold is not None:
        reasons = [f"the server is away since {when(hold['since_us'])} UTC", hold["reason"]]
    reasons += [recipient["reason"], recipient["reply"]]
    return ": ".join(dict.fromkeys(reason for reason in reasons if reason))


def next_try(recipient: dict[str, Any], *, now_us: int) -> str:
    """Return when something is done for it next; empty once it has ended.

    Args:
        recipient: as the satellite described it.
        now_us: the wall clock, microseconds since the epoch, UTC.
    """
    state, hold = recipient["state"], _hold(recipient)
    if state in _ENDED:
        return ""
    if state == "frozen":
        return "none before it is resumed"
    if state == "damaged":
        return "none before somebody resumes, bounces or drops it"
    if state == "sending":
        return "under way"
    if hold is not None:
        probe_in_s = hold["probe_in_s"]
        return "a probe is under way" if probe_in_s is None else f"probe {_within(probe_in_s)}"
    return _within((recipient["next_us"] - now_us) / 1e6)


def time_left(recipient: dict[str, Any]) -> str:
    """Return how much of its days a recipient's copy has left; empty once it has ended."""
    left_s = recipient["left_s"]
    if left_s is None:
        return ""
    days = counted(recipient["hold_days"], "day")
    if left_s > 0:
        return f"{span(left_s)} of {days}"
    return f"nothing of {days}: it goes back to its sender"


def route(recipient: dict[str, Any]) -> str:
    """Return where its mail goes."""
    hosts = ", ".join(recipient["hosts"])
    if not hosts or hosts == recipient["destination"]:
        return str(recipient["destination"])
    return f"{recipient['destination']} by {hosts}"


def _hold(recipient: dict[str, Any]) -> dict[str, Any] | None:
    """Return the hold that keeps it here; one of mail that is not so far keeps nothing."""
    hold: dict[str, Any] | None = recipient["hold"]
    return hold if recipient["state"] in _FOR_A_SERVER else None


def _within(seconds: float) -> str:
    return f"in {span(seconds)}" if seconds >= 1 else "now"
