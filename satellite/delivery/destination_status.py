"""Where does a recipient's mail go, is that server away, and when is it probed?

Pure. What an operator is told who asks why a message is still here.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.preferences import Preferences
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Own, leg_of, targets_of
from satellite.delivery.queue.lanes import Lanes
from satellite.spool.model.messages import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """Where a recipient's mail goes, and how that destination is."""

    destination: str  # a domain, or HOST:PORT of the smart host
    hosts: tuple[str, ...]  # in order; empty: by MX, or the domain has no route any more
    hold_days: int
    hold: Hold | None  # None: it is not away
    probe_in_s: float | None  # until its server is asked again; None: no probe is planned
    longest_wait_s: float  # no try is planned later


def status_of(
    address: str,
    origin: Origin,
    *,
    preferences: Preferences,
    own: Own,
    lanes: Lanes,
    now_s: float,
    longest_wait_s: float,
) -> DestinationStatus:
    """Return how it is with the mail for a recipient.

    Args:
        address: the recipient.
        origin: of the message.
        preferences: what is applied now.
        own: who we are.
        lanes: what waits for which destination.
        now_s: monotonic time.
        longest_wait_s: of the schedule.
    """
    leg = leg_of(address, origin, preferences=preferences, own=own)
    probe_s = lanes.next_probe_s(leg.destination)
    return DestinationStatus(
        destination=leg.destination.name,
        hosts=tuple(map(str, targets_of(leg.destination, preferences=preferences))),
        hold_days=leg.hold_days,
        hold=lanes.hold_of(leg.destination),
        probe_in_s=None if probe_s is None else max(0.0, probe_s - now_s),
        longest_wait_s=longest_wait_s,
    )
