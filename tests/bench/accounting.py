"""Is the end of every message of a long run known, and right?

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ENDS = ("delivered", "quarantined", "dropped", "rejected", "bounced", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What each side says about a run, in messages of one recipient each.

    Args:
        accepted: 250 came to the sender.
        unanswered: the session broke before a reply came; accepted or not.
        arrived: different messages at the customer's server.
        repeated: arrivals of one that had arrived before.
        strange: arrivals of something that was never sent, notices to the sender included.
        ambiguous: deliveries whose final dot was not answered, as the node counts them.
        core: the core's counts by name: ``accepted``, ``in_progress`` and each end.
    """

    accepted: int
    unanswered: int
    arrived: int
    repeated: int
    strange: int
    ambiguous: int
    core: Mapping[str, int]

    @property
    def ended(self) -> int:
        """How many have come to an end, as the core has it."""
        return sum(self.core.get(end, 0) for end in ENDS)

    @property
    def unaccounted(self) -> int:
        """How many were accepted and neither arrived nor ended otherwise at the core."""
        elsewhere = self.ended - self.core.get("delivered", 0)
        return abs(self.accepted - self.arrived - elsewhere)

    def complaints(self) -> list[str]:
        """Return everything that does not fit; empty when every end is known."""
        core = self.core.get("accepted", 0)
        found = []
        if not self.accepted <= core <= self.accepted + self.unanswered:
            found.append(
                f"the core knows of {core} accepted messages, the sender of {self.accepted}"
                f" and {self.unanswered} without an answer"
            )
        if self.core.get("in_progress", 0):
            found.append(f"{self.core['in_progress']} have not ended")
        if self.arrived != self.core.get("delivered", 0):
            found.append(f"{self.arrived} arrived, {self.core.get('delivered', 0)} were delivered")
        if not 0 <= self.ended - self.accepted <= self.unanswered:
            found.append(f"{self.accepted} were accepted, {self.ended} have ended")
        if self.repeated > self.ambiguous:
            found.append(f"{self.repeated} arrived twice, {self.ambiguous} had no clear answer")
        if self.strange:
            found.append(f"{self.strange} arrived that nobody had sent")
        return found


def since(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return what was added to counts."""
    return {name: count - before.get(name, 0) for name, count in after.items()}
