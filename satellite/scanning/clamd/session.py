"""How is a message streamed to clamd (INSTREAM) in a session?

Touches one socket, kept open as a session (IDSESSION) in which one command follows the other. The
socket is read while it is written: clamd may answer and close in the middle of a message that is
too long, and its answer must not be lost with the failed write. That is also why this stands on
bare sockets: asyncio's streams throw away what has arrived once a write fails.

Source: clamd.8; clamd/session.c of ClamAV 1.4.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from common.errors import EnvironmentFailure, PeerError
from common.settings.values import split_endpoint
from common.tasks import spawn
from satellite.scanning.clamd.replies import numbered, text
from satellite.scanning.sample import Sample

CHUNK_BYTES = 256 * 1024
REPLY_BYTES_MAX = 16_384  # the longest names are a few hundred octets
RECEIVE_BYTES = 4096
WHOLE_BYTES_MAX = 65_536
UNIX_PREFIX = "unix:"
CONNECT_S = 5.0  # it is on this machine or the next one

_LENGTH = struct.Struct("!I")
_END = _LENGTH.pack(0)


class ClamdUnreachable(EnvironmentFailure):
    """clamd does not take connections."""


class SessionEnded(PeerError):
    """clamd closed the session without an answer."""


class Misunderstood(PeerError):
    """clamd sent what does not belong to our question."""


class SampleUnreadable(EnvironmentFailure):
    """The message itself cannot be read."""


async def connect(address: str) -> ClamdSession:
    """Return a new session.

    Args:
        address: ``unix:PATH`` or ``HOST:PORT``.

    Raises:
        Unreachable: nobody listens there.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            return ClamdSession(await _connected(address))
    except TimeoutError:
        raise ClamdUnreachable(f"no connection to {address} within {CONNECT_S:g} s") from None
    except OSError as error:
        raise ClamdUnreachable(f"no connection to {address}: {error.strerror or error}") from None


class ClamdSession:
    """One connection in clamd's session mode, for one command at a time.

    Attributes:
        is_usable: the last exchange came to its proper end, so that another one may follow.
        has_ended: nothing more is read, since the peer is gone or talks without end.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.is_usable = True
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self.has_ended = False
        self._awaited: asyncio.Future[None] | None = None
        # For the whole life of the session: to ask for each answer anew costs more than reading it.
        self._loop.add_reader(connection, self._receive)
        self._number = 0  # of the last command; clamd counts along, from 1
        self._sent_all = True
        self._unreadable = ""

    @property
    def is_fresh(self) -> bool:
        """Say whether nothing has been asked in it yet."""
        return self._number == 0

    async def command(self, name: str) -> bytes:
        """Return the answer to a command of one word.

        Raises:
            SessionEnded, Misunderstood: there is none, or none that fits.
        """
        return await self._exchange(self._opening(name), None)

    async def scan(self, sample: Sample) -> bytes:
        """Return the answer to INSTREAM for one message.

        Raises:
            SessionEnded, Misunderstood: there is none, or none that fits.
            SampleUnreadable: the sample cannot be read.
        """
        return await self._exchange(self._opening("INSTREAM"), sample)

    def is_silent(self) -> bool:
        """Say whether nothing has come since the last answer, an end of the session included."""
        if self._buffer or self.has_ended:
            return False
        try:  # what has come and was not yet read counts too
            self._connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Close it now; synchronous, and may be repeated."""
        self.is_usable = False
        self._end()
        self._connection.close()

    def _opening(self, name: str) -> bytes:
        mode = b"zIDSESSION\0" if self.is_fresh else b""
        return mode + f"z{name}\0".encode()

    async def _exchange(self, opening: bytes, sample: Sample | None) -> bytes:
        assert self.is_usable
        self.is_usable = False  # until this exchange has come to its proper end
        self._number += 1
        self._sent_all = False
        if sample is None or sample.size <= WHOLE_BYTES_MAX:
            # Small enough for the socket's buffer: no task of its own is needed to send it.
            whole = b"".join(_pieces(opening, sample))
            sent = self._sent_at_once(whole)
            if sent < len(whole):
                await self._send(iter([whole[sent:]]))
            reply = await self._reply()
        else:
            async with asyncio.TaskGroup() as group:
                sender = spawn(group, self._send(_pieces(opening, sample)), name="clamd.send")
                reply = await self._reply()
                sender.cancel()
        if self._unreadable:
            raise SampleUnreadable(self._unreadable)
        if reply is None:
            raise SessionEnded("clamd closed the session without an answer")
        return self._checked(reply)

    def _checked(self, reply: bytes) -> bytes:
        number, said = numbered(reply)
        if number is None and said.endswith(b"ERROR"):
            return said  # of the protocol, such as a message that is too long; clamd closes
        if number is None:
            raise Misunderstood(f"clamd gave an unknown answer: {text(said)!r}")
        if number != self._number:
            raise Misunderstood(f"clamd answered question {number}, we asked {self._number}")
        self.is_usable = self._sent_all and not self._buffer
        return said

    def _sent_at_once(self, whole: bytes) -> int:
        """Return how many octets the socket takes without waiting."""
        try:
            sent = self._connection.send(whole)
        except OSError:
            return 0  # whether it is full or closed shows itself when the rest is sent
        self._sent_all = sent == len(whole)
        return sent

    async def _send(self, pieces: Iterator[bytes]) -> None:
        try:
            for piece in pieces:
                await self._loop.sock_sendall(self._connection, piece)
        except SampleUnreadable as error:
            self._unreadable = error.what
            self.shut()
        except OSError:
            # Closed by clamd. What it had to say is still to be read, and an end without an
            # answer shows itself there.
            return
        else:
            self._sent_all = True

    def shut(self) -> None:
        """End both directions, so that whoever reads sees the end."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    async def _reply(self) -> bytes | None:
        """Return what comes before the next NUL, or None when the session ends first."""
        while (end := self._buffer.find(b"\0")) < 0:
            if len(self._buffer) > REPLY_BYTES_MAX:
                raise Misunderstood("clamd gave an answer without an end")
            if self.has_ended:
                return None
            self._awaited = self._loop.create_future()
            try:
                await self._awaited
            finally:
                self._awaited = None
        reply = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return reply

    def _receive(self) -> None:
        """Take what has come, asked for or not; called when there is something."""
        try:
            received = self._connection.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received = b""
        self._buffer += received
        if not received or len(self._buffer) > REPLY_BYTES_MAX + RECEIVE_BYTES:
            self._end()
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def _end(self) -> None:
        """Read nothing more: there is nothing, or more than any answer has."""
        if not self.has_ended:
            self.has_ended = True
            self._loop.remove_reader(self._connection)


def _pieces(opening: bytes, sample: Sample | None) -> Iterator[bytes]:
    """Yield what to send: the command, then the message in chunks that carry their length."""
    yield opening
    if sample is None:
        return
    for offset in range(0, sample.size, CHUNK_BYTES):
        length = min(CHUNK_BYTES, sample.size - offset)
        try:
            chunk = sample.read(offset, length)
        except OSError as error:
            raise SampleUnreadable(f"the body cannot be read: {error.strerror}") from None
        if len(chunk) != length:  # the beginning of a message may be clean when it is not
            raise SampleUnreadable("the body is shorter than it was")
        yield _LENGTH.pack(len(chunk)) + chunk
    yield _END


async def _connected(address: str) -> socket.socket:
    loop = asyncio.get_running_loop()
    if address.startswith(UNIX_PREFIX):
        places: list[tuple[int, Any]] = [(socket.AF_UNIX, address.removeprefix(UNIX_PREFIX))]
    else:
        host, port = split_endpoint(address)
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        places = [(family, place) for family, _, _, _, place in found]
    failure = OSError("no address")
    for family, place in places:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await loop.sock_connect(connection, place)
            # With its queue full, a Unix socket says "later" and the loop takes that for "done".
            connection.getpeername()
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:  # cancelled too: what was begun is undone
            connection.close()
            raise
        else:
            return connection
    raise failure
