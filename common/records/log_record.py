"""Where does a log record stand, and of what does it tell?

Pure. A log record is durable and replicated: what happened to a message or a node, at which place
of a shard's outbox. What it tells travels as one JSON object; ``read`` makes a dataclass of it.
"""

from __future__ import annotations

from common.frozen import dataclass

FIELDS_BYTES_MAX = 65_536  # one record fits a frame of the link many times over


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One event.

    Args:
        sequence: place in the shard's outbox, from 1, without holes.
        time_us: microseconds since the epoch, UTC.
        event: a member of ``Event``, or another version's word.
        message_id: a ULID, or empty when the record is about the node.
        fields: a JSON object as UTF-8.
    """

    sequence: int
    time_us: int
    event: str
    message_id: str
    fields: bytes
