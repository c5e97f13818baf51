"""What of a spool that is gone never ended, and has anybody seen it?

Pure. A disk that dies takes mail with it that the core knows of: it was accepted, and nothing will
ever be told of it. It is lost, unless its spool comes back after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.records.search import iso_time

LOST = "lost"  # how a recipient ended whose spool is gone; no state of a spool
WHY = "its spool is gone: {node}/{shard} began its life {number} without it"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostCopy:
    """What one recipient will not get.

    Args:
        message_id, address, sender, subject, received_us: of the message.
        customer: whose recipient it is; empty: nobody's.
        was: the state in which it was last heard of.
        node, shard: where it lay.
        life: the number of the life that began without it.
        found_us: when that was.
        seen_us, seen_by: when somebody said that he has seen it, and who; 0: nobody has.
    """

    message_id: str
    address: str
    customer: str
    sender: str
    subject: str
    received_us: int
    was: str
    node: str
    shard: int
    life: int
    found_us: int
    seen_us: int
    seen_by: str

    def as_json(self) -> dict[str, Any]:
        """Return it as it travels."""
        return {
            "id": self.message_id,
            "recipient": self.address,
            "sender": self.sender,
            "subject": self.subject,
            "received": iso_time(self.received_us),
            "was": self.was,
            "place": f"{self.node}/{self.shard}",
            "life": self.life,
            "found": iso_time(self.found_us),
            "seen": iso_time(self.seen_us) if self.seen_us else None,
            "seen_by": self.seen_by,
        }


def lost_by_customer(copies: Sequence[LostCopy]) -> list[dict[str, Any]]:
    """Return what was lost, customer by customer, as it travels."""
    names = sorted({copy.customer for copy in copies})
    return [
        {
            "customer": name,
            "copies": [copy.as_json() for copy in copies if copy.customer == name],
        }
        for name in names
    ]
