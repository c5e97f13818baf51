"""What does the core know of one message?

Pure: the shapes that records are folded into, and that searches read.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class RecipientCopy:
    """One recipient of a message and how far its copy has come."""

    address: str  # as it came
    place: int  # in the order in which the records named them, from 0
    folded: str
    domain: str
    customer: str = ""  # by the route that was in force when the record arrived
    state: str = "received"  # a state on the way, or an outcome
    disposition: str = ""
    reason: str = ""
    attempts: int = 0
    reply: str = ""
    next_us: int = 0
    ended_us: int = 0  # 0: not yet


@dataclass(slots=True, kw_only=True)
class Message:
    """One message as its records tell of it; a missing record leaves its fields empty."""

    id: str
    node: str
    shard: int
    received_us: int
    origin: str = ""
    client: str = ""
    helo: str = ""
    tls: str = ""
    sender: str = ""
    sender_folded: str = ""
    sender_domain: str = ""
    message_id_header: str = ""
    subject: str = ""
    size: int = 0
    sha256: str = ""
    revision: int = 0
    score: float = 0.0
    released_from: str = ""
    quarantine_reason: str = ""
    copies: dict[str, RecipientCopy] = field(default_factory=dict)  # by address
    threats: set[tuple[str, str]] | None = None  # engine, name; None: as they are stored

    @property
    def is_judged(self) -> bool:
        """Whether it has been said of some recipient what is done."""
        return any(copy.disposition for copy in self.copies.values())
