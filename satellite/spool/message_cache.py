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


class MessageCache:
    """The messages and bodies at hand. When it is full, what comes is not kept."""

    __slots__ = ("_bodies", "_body_bytes", "_files", "_messages")

    def __init__(self) -> None:
        self._messages: dict[MessageId, Stored] = {}
        self._bodies: dict[MessageId, bytes] = {}
        self._files: set[MessageId] = set()
        self._body_bytes = 0

    def keep(self, stored: Stored, body: bytes | None = None) -> None:
        """Keep a message as it was just committed, and its body if it is no file.

        The body of one that goes into a lane is not kept: it may lie there for days.
        """
        if len(self._messages) >= MESSAGES_MAX:
            return
        self.forget(stored.id)
        self._messages[stored.id] = stored
        if any(one.state is State.QUEUED for one in stored.recipients):
            return
        if stored.in_file and len(self._files) < MESSAGES_MAX:
            self._files.add(stored.id)
        if body is not None and self._body_bytes + len(body) <= BODY_BYTES_MAX:
            self._bodies[stored.id] = body
            self._body_bytes += len(body) + ENTRY_BYTES

    def take(self, message: MessageId) -> Stored | None:
        """Return a message that is at hand, once."""
        return self._messages.pop(message, None)

    def body(self, message: MessageId) -> bytes | None:
        """Return a body that is at hand."""
        return self._bodies.get(message)

    def has_file(self, message: MessageId) -> bool:
        """Say whether a message's body is a file that was written a moment ago."""
        return message in self._files

    def forget(self, message: MessageId) -> None:
        """Forget a message and its body."""
        self._messages.pop(message, None)
        self._files.discard(message)
        body = self._bodies.pop(message, None)
        if body is not None:
            self._body_bytes -= len(body) + ENTRY_BYTES
