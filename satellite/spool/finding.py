"""Which recipients are in the spool, a page of messages at a time?

Touches the spool's tables, reading. A spool may hold a hundred thousand messages; whoever looks for
some of them reads part after part, and others get the event loop between two.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.ids import MessageId
from common.states import State
from satellite.spool.disk.rows import Select
from satellite.spool.model.messages import Origin

_PART = """
SELECT id, number, origin, address, state
FROM (SELECT id, origin FROM message WHERE id > ? ORDER BY id LIMIT ?)
JOIN recipient ON message = id ORDER BY id, number
"""


@dataclass(frozen=True, slots=True)
class FoundRecipient:
    """One recipient of one message."""

    message: MessageId
    number: int
    origin: Origin
    address: str
    state: State


def part(select: Select, *, after: str, messages: int) -> list[FoundRecipient]:
    """Return all recipients of the next messages, the oldest first.

    Args:
        select: runs a SELECT.
        after: the id of the last message that was read; empty for the first part.
        messages: at most so many.
    """
    return [
        FoundRecipient(MessageId(message), number, Origin(origin), address, State(state))
        for message, number, origin, address, state in select(_PART, (after, messages))
    ]
