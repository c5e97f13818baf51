"""Which messages that were just made durable need not be read again by the next stage?

Pure: a bounded cache; losing it costs a read. A message is lent once, to the stage that comes next,
and any change of it forgets it, so that nobody sees an older state than the disk has. A body never
changes, and stays until its message is forgotten.
"""

from __future__ import annotations

from common.ids import MessageId
from common.states import State
from satellite.spool.model.messages import Stored

MESSAGES_MAX = 2_000  # of one shard: what a full load takes in within two seconds
ENTRY_BYTES = 512  # what a body costs beside its octets, so that tiny ones are bounded too
BODY_BYTES_MAX = 4 * 1024 * 1024  # of all bodies together; a full backlog of the usual mix


class _AtHand:
    """What is at hand of one message; without body and file only until it is lent."""

    __slots__ = ("body", "has_file", "message")

    def __init__(self, message: Stored) -> None:
        self.message: Stored | None = message  # None: lent
        self.body: bytes | None = None
        self.has_file = False


class MessageCache:
    """The messages and bodies at hand. When it is full, what comes is not kept."""

    __slots__ = ("_at_hand", "_body_bytes")

    def __init__(self) -> None:
        self._at_hand: dict[MessageId, _AtHand] = {}
        self._body_bytes = 0

    def keep(self, stored: Stored, body: bytes | None = None) -> None:
        """Keep a message as it was just committed, and its body if it is no file.

        The body of one that goes into a lane is not kept: it may lie there for days.
        """
        if len(self._at_hand) >= MESSAGES_MAX:
            return
        if stored.id in self._at_hand:
            self.forget(stored.id)
        kept = self._at_hand[stored.id] = _AtHand(stored)
        if State.QUEUED in [one.state for one in stored.recipients]:
            return
        kept.has_file = stored.in_file
        if body is not None and self._body_bytes + len(body) <= BODY_BYTES_MAX:
            kept.body = body
            self._body_bytes += len(body) + ENTRY_BYTES

    def take(self, message: MessageId) -> Stored | None:
        """Return a message that is at hand, once."""
        kept = self._at_hand.get(message)
        if kept is None:
            return None
        stored, kept.message = kept.message, None
        if kept.body is None and not kept.has_file:
            del self._at_hand[message]
        return stored

    def body(self, message: MessageId) -> bytes | None:
        """Return a body that is at hand."""
        kept = self._at_hand.get(message)
        return None if kept is None else kept.body

    def has_file(self, message: MessageId) -> bool:
        """Say whether a message's body is a file that was written a moment ago."""
        kept = self._at_hand.get(message)
        return kept is not None and kept.has_file

    def forget(self, message: MessageId) -> None:
        """Forget a message and its body."""
        kept = self._at_hand.pop(message, None)
        if kept is not None and kept.body is not None:
            self._body_bytes -= len(kept.body) + ENTRY_BYTES
