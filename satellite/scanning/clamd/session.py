"""How is a message shown to clamd in a session: streamed (INSTREAM), or as an open file (FILDES)?

Touches one connection, kept open as a session (IDSESSION) in which one command follows the other.

Source: clamd.8; clamd/session.c of ClamAV 1.4.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Coroutine, Iterator
from typing import Any

from satellite.scanning.clamd.replies import numbered, text
from satellite.scanning.sample import Sample
from satellite.scanning.sessions import connection
from satellite.scanning.sessions.connection import Misunderstood, ServerConnection, SessionEnded

REPLY_BYTES_MAX = 16_384  # the longest names are a few hundred octets
RECEIVE_BYTES = 4096

_OF_DESCRIPTOR = re.compile(rb"fd\[[0-9]{1,10}\]: ")
_LENGTH = struct.Struct("!I")
_END = _LENGTH.pack(0)


async def connect(address: str, *, connect_s: float = connection.CONNECT_S) -> ClamdSession:
    """Return a new session.

    Args:
        address: ``unix:PATH`` or ``HOST:PORT``.
        connect_s: seconds until it must be accepted.

    Raises:
        ServerUnreachable: nobody listens there.
    """
    return ClamdSession(
        await connection.connect(
            address,
            receive_bytes=RECEIVE_BYTES,
            received_bytes_max=REPLY_BYTES_MAX,
            connect_s=connect_s,
        )
    )


class ClamdSession:
    """One connection in clamd's session mode, for one command at a time.

    Attributes:
        is_usable: the last exchange came to its proper end, so that another one may follow.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self.is_usable = True
        self._connection = connection
        self._number = 0  # of the last command; clamd counts along, from 1

    @property
    def is_fresh(self) -> bool:
        """Say whether nothing has been asked in it yet."""
        return self._number == 0

    def command(self, name: str) -> Coroutine[Any, Any, bytes]:
        """Return the answer to a command of one word.

        Raises:
            SessionEnded, Misunderstood: there is none, or none that fits.
        """
        return self._exchange(self._opening(name), None)

    def scan(self, sample: Sample) -> Coroutine[Any, Any, bytes]:
        """Return the answer to INSTREAM for one message.

        Raises:
            SessionEnded, Misunderstood: there is none, or none that fits.
            SampleUnreadable: the sample cannot be read.
        """
        return self._exchange(self._opening("INSTREAM"), sample)

    async def scan_descriptor(self, descriptor: int) -> bytes:
        """Return the answer to FILDES for an open file, in the words of INSTREAM.

        Only over a Unix socket. clamd needs no permission for the file; it has a descriptor of its
        own from here on.

        Raises:
            SessionEnded, Misunderstood: there is none, or none that fits.
        """
        self._begin()
        words = self._opening("FILDES") + b"\0"  # and an octet that the descriptor goes with
        self._number += 1
        reply = await self._connection.exchange_descriptor(words, descriptor, self._reply)
        said = self._checked(reply)
        if (found := _OF_DESCRIPTOR.match(said)) is not None:
            return b"stream: " + said[found.end() :]
        if said.endswith(b"ERROR") or said == b"UNKNOWN COMMAND":
            return said
        raise Misunderstood(f"clamd gave an unknown answer: {text(said)!r}")

    def is_silent(self) -> bool:
        """Say whether nothing has come since the last answer, an end of the session included."""
        return self._connection.is_silent()

    def close(self) -> None:
        """Close it now; synchronous, and may be repeated."""
        self.is_usable = False
        self._connection.close()

    def _opening(self, name: str) -> bytes:
        mode = b"zIDSESSION\0" if self.is_fresh else b""
        return mode + f"z{name}\0".encode()

    def _begin(self) -> None:
        assert self.is_usable
        self.is_usable = False  # until this exchange has come to its proper end

    async def _exchange(self, opening: bytes, sample: Sample | None) -> bytes:
        self._begin()
        self._number += 1
        about_bytes = 0 if sample is None else sample.size
        pieces = _pieces(opening, sample)
        reply = await self._connection.exchange(
            pieces, self._reply, about_bytes=about_bytes, name="clamd.send"
        )
        return self._checked(reply)

    def _checked(self, reply: bytes) -> bytes:
        number, said = numbered(reply)
        if number is None and said.endswith(b"ERROR"):
            return said  # of the protocol, such as a message that is too long; clamd closes
        if number is None:
            raise Misunderstood(f"clamd gave an unknown answer: {text(said)!r}")
        if number != self._number:
            raise Misunderstood(f"clamd answered question {number}, we asked {self._number}")
        self.is_usable = self._connection.sent_all and not self._connection.received
        return said

    async def _reply(self) -> bytes:
        """Return what comes before the next NUL."""
        received = self._connection.received
        while (end := received.find(b"\0")) < 0:
            if len(received) > REPLY_BYTES_MAX:
                raise Misunderstood("clamd gave an answer without an end")
            if not await self._connection.more():
                raise SessionEnded("clamd closed the session without an answer")
        reply = bytes(received[:end])
        del received[: end + 1]
        return reply


def _pieces(opening: bytes, sample: Sample | None) -> Iterator[bytes]:
    """Yield what to send: the command, then the message in chunks that carry their length."""
    yield opening
    if sample is None:
        return
    for chunk in sample.chunks():
        yield _LENGTH.pack(len(chunk)) + chunk
    yield _END
