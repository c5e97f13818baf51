"""Why is a node not ready, as its workers say?

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from satellite.node.health import StatusAnswer
from satellite.node.question import ErrorAnswer

Said = Mapping[int, StatusAnswer | ErrorAnswer | None]  # by shard; None: it does not answer


def why_not_listening(
    said: Said, *, retiring: Collection[int], must_accept: bool = True
) -> dict[int, str]:
    """Return why shards take no mail.

    Args:
        said: what the workers said.
        retiring: shards that are one too many, and need not.
        must_accept: whether one that listens must take mail, too.
    """
    return {
        shard: why
        for shard, status in said.items()
        if shard not in retiring and (why := _why_not(status, must_accept=must_accept)) is not None
    }


def _why_not(status: StatusAnswer | ErrorAnswer | None, *, must_accept: bool) -> str | None:
    """Return why a worker takes no mail, None when it does."""
    if status is None:
        return "not running"
    if isinstance(status, ErrorAnswer):
        return status.error
    if status.listening and not (must_accept and status.not_accepting_reason):
        return None
    return status.not_accepting_reason


def why_not_linked(said: Said) -> dict[int, str]:
    """Return the shards that have no link to the core, with what is known of it."""
    return {
        shard: "; ".join(["no link to the core", *status.link.problems[:1]])
        for shard, status in said.items()
        if isinstance(status, StatusAnswer)
        and status.link is not None
        and not status.link.connected
    }
