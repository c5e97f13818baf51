"""How are requests and results framed between a worker and its helper process?

Touches the sockets that it is given. A frame is the length of a JSON object (u32), the length of
an octet string (u64), both big-endian, then the two. Message bodies never go through JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

HEAD = struct.Struct("!IQ")
ANSWER_BYTES_MAX = 65_536  # what comes out of the helper may be the doing of the mail it read
START_BYTES_MAX = 1 << 20  # the jobs with their options, and the import path
CONTENT_BYTES_MAX = 1 << 30  # the largest message that settings allow


class FrameError(Exception):
    """The other side sent what is no frame, or one beyond the limits."""


def head_of(fields: Mapping[str, Any], content_bytes: int) -> bytes:
    """Return the beginning of a frame; ``content_bytes`` octets have to follow."""
    # Half of a surrogate pair goes through: what reads JSON takes it as it comes.
    encoded = json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return HEAD.pack(len(encoded), content_bytes) + encoded


def fields_of(encoded: bytes) -> dict[str, Any]:
    """Return the JSON object of a frame.

    Raises:
        FrameError: it is none.
    """
    try:
        fields = json.loads(encoded)
    except (ValueError, RecursionError):
        raise FrameError("not JSON") from None
    if not isinstance(fields, dict):
        raise FrameError("not an object")
    return fields


async def read_answer(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Return the fields of the next frame; it carries nothing else.

    Raises:
        FrameError: no frame, or one that is too long.
        asyncio.IncompleteReadError: the helper ended.
        OSError: likewise.
    """
    fields_bytes, content_bytes = HEAD.unpack(await reader.readexactly(HEAD.size))
    if fields_bytes > ANSWER_BYTES_MAX or content_bytes:
        raise FrameError("too long")
    return fields_of(await reader.readexactly(fields_bytes))


def receive(connection: socket.socket) -> tuple[dict[str, Any], bytes] | None:
    """Return the next frame on a blocking socket, or None when the other side has ended.

    Raises:
        FrameError: no frame, or one that is too long.
    """
    head = _exactly(connection, HEAD.size)
    if head is None:
        return None
    fields_bytes, content_bytes = HEAD.unpack(head)
    if fields_bytes > START_BYTES_MAX or content_bytes > CONTENT_BYTES_MAX:
        raise FrameError("too long")
    encoded = _exactly(connection, fields_bytes)
    content = _exactly(connection, content_bytes)
    if encoded is None or content is None:
        return None
    return fields_of(encoded), content


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    buffer = bytearray(count)
    view = memoryview(buffer)
    done = 0
    while done < count:
        received = connection.recv_into(view[done:])
        if received == 0:
            return None
        done += received
    view.release()
    return bytes(buffer)
