"""What is the digest of all log records of a life, up to one of them?

Pure. Each record's digest covers the one before it and the record as it is sent. So two spools that
gave the same numbers to different records are told apart at any number that both ends know.

Source: docs/sync.md, *The chain*.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from common.records import LogRecord

CHAIN_BYTES = 16
CHAIN_START = bytes(CHAIN_BYTES)  # before the first record that is known

_HEAD = struct.Struct(">Qqxx")  # sequence, time


@dataclass(frozen=True, slots=True)
class ChainPoint:
    """A number, and the digest of all records up to and with it.

    Args:
        sequence: the record's; 0: before the first.
        digest: ``CHAIN_BYTES`` octets; empty: not known.
    """

    sequence: int
    digest: bytes


NO_CHAIN = ChainPoint(0, b"")


def extended(digest: bytes, records: Iterable[LogRecord]) -> bytes:
    """Return the digest at the last of ``records``, of the one before the first of them.

    Args:
        digest: before them.
        records: in order.
    """
    for record in records:
        text = f"{record.event}\n{record.message_id}\n".encode()
        made = blake2b(digest, digest_size=CHAIN_BYTES)
        made.update(_HEAD.pack(record.sequence, record.time_us) + text + record.fields)
        digest = made.digest()
    return digest
