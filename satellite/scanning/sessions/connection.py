"""How are octets exchanged with the server of an engine?

Touches one socket. It is read while it is written: a server may answer and close in the middle of a
message that is too long, and its answer must not be lost with the failed write. That is also why
this stands on bare sockets: asyncio's streams throw away what has arrived once a write fails.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from common.errors import EnvironmentFailure, PeerError
from common.settings.values import split_endpoint
from common.tasks import spawn
from satellite.names.names import system_names
from satellite.scanning.sample import SampleUnreadable

WHOLE_BYTES_MAX = 65_536
UNIX_PREFIX = "unix:"
CONNECT_S = 5.0  # where nobody says more: it is on this machine or the next one
CONNECT_S_OF_SEVERAL = 1.0  # where another server can be asked instead

AnswerT = TypeVar("AnswerT")


class ServerUnreachable(EnvironmentFailure):
    """The server does not take connections."""


class SessionEnded(PeerError):
    """The server closed the session without an answer."""


class Misunderstood(PeerError):
    """The server sent what does not belong to our question."""


class Encryption(Protocol):
    """How a connection is encrypted."""

    async def begun(
        self,
        connection: socket.socket,
        address: str,
        *,
        receive_bytes: int,
        received_bytes_max: int,
    ) -> ServerConnection:
        """Return a connection in which what is said is encrypted; the socket is its own.

        Raises:
            ServerUnreachable: the server is not who it should be.
            OSError: it closed the connection.
        """
        ...


async def connect(
    address: str,
    *,
    receive_bytes: int,
    received_bytes_max: int,
    connect_s: float = CONNECT_S,
    encryption: Encryption | None = None,
) -> ServerConnection:
    """Return a new connection.

    Args:
        address: ``unix:PATH`` or ``HOST:PORT``.
        receive_bytes: read at once.
        received_bytes_max: read before somebody takes it.
        connect_s: how long it may take.
        encryption: how it is encrypted; None: it is not.

    Raises:
        ServerUnreachable: nobody listens there, or not whom we look for.
    """
    try:
        async with asyncio.timeout(connect_s):
            connection = await _connected(address)
            try:
                return await (encryption or _Plain()).begun(
                    connection,
                    address,
                    receive_bytes=receive_bytes,
                    received_bytes_max=received_bytes_max,
                )
            except BaseException:  # cancelled too: what was begun is undone
                connection.close()
                raise
    except TimeoutError:
        raise ServerUnreachable(f"no connection to {address} within {connect_s:g} s") from None
    except OSError as error:
        raise ServerUnreachable(f"no connection to {address}: {error.strerror or error}") from None


class ServerConnection:
    """One connection, for one exchange at a time.

    Attributes:
        received: what has come and was not yet taken; whoever takes it removes it.
        has_ended: nothing more is read, since the peer is gone.
        is_reading: what comes is taken; not while more lies here than anybody awaits.
        sent_all: the last thing to say was said to its end.
    """

    def __init__(
        self, connection: socket.socket, *, receive_bytes: int, received_bytes_max: int
    ) -> None:
        self.received = bytearray()
        self.has_ended = False
        self.sent_all = True
        self._connection = connection
        self._receive_bytes = receive_bytes
        self._received_bytes_max = received_bytes_max
        self._loop = asyncio.get_running_loop()
        self._awaited: asyncio.Future[None] | None = None
        self._unreadable = ""
        # For the whole life of the session: to ask for each answer anew costs more than reading it.
        self._loop.add_reader(connection, self._receive)
        self.is_reading = True

    def is_silent(self) -> bool:
        """Say whether nothing has come since the last answer, an end of the session included."""
        if self.received or self.has_ended:
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
        self._end()
        self._connection.close()

    async def more(self) -> bool:
        """Wait until more has come; False when nothing will."""
        if not self.has_ended:
            if not self.is_reading:
                self._loop.add_reader(self._connection, self._receive)
                self.is_reading = True
            self._awaited = self._loop.create_future()
            try:
                await self._awaited
            finally:
                self._awaited = None
        return not self.has_ended

    async def exchange(
        self,
        pieces: Iterator[bytes],
        reading: Callable[[], Awaitable[AnswerT]],
        *,
        about_bytes: int,
        name: str,
    ) -> AnswerT:
        """Send ``pieces`` while ``reading`` reads; what is not sent by its end never is.

        Args:
            pieces: what to send.
            reading: returns the answer.
            about_bytes: how much there is to send.
            name: of the task that sends, if one is needed.

        Raises:
            SampleUnreadable: what there is to send cannot be read.
        """
        self.sent_all = False
        if about_bytes <= WHOLE_BYTES_MAX:
            await self._say_at_once(pieces)
            return await reading()
        failure: PeerError | None = None
        async with asyncio.TaskGroup() as group:
            sender = spawn(group, self._say(pieces), name=name)
            try:
                answer = await reading()
            except PeerError as error:
                failure = error  # out of the group it would come wrapped, and nobody would know it
            sender.cancel()
        if self._unreadable:  # whatever was answered: the whole message was not shown
            raise SampleUnreadable(self._unreadable)
        if failure is not None:
            raise failure
        return answer

    async def exchange_descriptor(
        self, words: bytes, descriptor: int, reading: Callable[[], Awaitable[AnswerT]]
    ) -> AnswerT:
        """Send a few octets with an open file beside them, and read the answer.

        Args:
            words: what to send; it fits into the socket's buffer.
            descriptor: stays open, and the caller's.
            reading: returns the answer.

        Raises:
            SessionEnded: it takes nothing.
        """
        self.sent_all = False
        try:
            # The first octet carries it (unix(7), SCM_RIGHTS); uvloop and asyncio cannot.
            sent = socket.send_fds(self._connection, [words], [descriptor])
        except BlockingIOError:
            raise SessionEnded("it takes nothing more") from None
        except OSError:
            sent = 0  # closed; what it had to say before is still to be read
        self.sent_all = sent == len(words)
        if 0 < sent < len(words):
            raise SessionEnded("it takes half a command")
        return await reading()

    async def _say_at_once(self, pieces: Iterator[bytes]) -> None:
        """Send what is small enough for the socket's buffer: no task is needed for that."""
        whole = b"".join(pieces)
        try:
            sent = self._told_at_once(whole)
        except OSError:
            sent = 0  # whether it is full or closed shows itself when the rest is sent
        if sent == len(whole):
            self.sent_all = True
        else:
            await self._say(iter([whole[sent:]]))

    async def _say(self, pieces: Iterator[bytes]) -> None:
        try:
            for piece in pieces:
                await self._tell(piece)
        except SampleUnreadable as error:
            self._unreadable = error.what
            self._shut()
        except OSError:
            # Closed by the server. What it had to say is still to be read, and an end without an
            # answer shows itself there.
            return
        else:
            self.sent_all = True

    def _shut(self) -> None:
        """End both directions, so that whoever reads sees the end."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> None:
        """Take what has come, asked for or not; called when there is something."""
        try:
            received, is_end = self._heard()
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            received, is_end = b"", True
        self.received += received
        if is_end:
            self._end()
        elif len(self.received) > self._received_bytes_max:
            self._pause()
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def _heard(self) -> tuple[bytes, bool]:
        """Return what has come, and whether nothing more will."""
        octets = self._connection.recv(self._receive_bytes)
        return octets, not octets

    def _told_at_once(self, octets: bytes) -> int:
        """Send what the socket takes now, and return how much that was."""
        return self._connection.send(octets)

    async def _tell(self, octets: bytes) -> None:
        """Send all of some octets."""
        await self._loop.sock_sendall(self._connection, octets)

    def _end(self) -> None:
        self._pause()
        self.has_ended = True

    def _pause(self) -> None:
        """Read nothing more until somebody asks for it."""
        if self.is_reading:
            self.is_reading = False
            self._loop.remove_reader(self._connection)


class _Plain:
    """No encryption."""

    async def begun(
        self,
        connection: socket.socket,
        address: str,
        *,
        receive_bytes: int,
        received_bytes_max: int,
    ) -> ServerConnection:
        return ServerConnection(
            connection, receive_bytes=receive_bytes, received_bytes_max=received_bytes_max
        )


async def _connected(address: str) -> socket.socket:
    loop = asyncio.get_running_loop()
    places: list[tuple[int, Any]]
    if address.startswith(UNIX_PREFIX):
        places = [(socket.AF_UNIX, address.removeprefix(UNIX_PREFIX))]
    else:
        host, port = split_endpoint(address)
        found = await system_names().addresses(host)
        places = [(_family_of(each), (each, port)) for each in found.records]
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


def _family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
