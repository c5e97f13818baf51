"""How are octets exchanged with a server that a filter asks, within bounds?

Touches one connection. What is to be said is handed over whole, so that a server may answer before
it has heard all; a message is bounded by whoever says it. What is heard is bounded here.
"""

from __future__ import annotations

import asyncio
import os
import ssl

from common.settings.values import split_endpoint
from satellite.filtering.servers.failures import HungUp, Nonsense, NoServer
from satellite.names.names import system_names

RECEIVE_BYTES = 65_536
UNIX_PREFIX = "unix:"
CONNECT_S = 2.0  # it is on this machine or on the next one

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connected(
    address: str, *, connect_s: float = CONNECT_S, tls: ssl.SSLContext | None = None
) -> ServerStream:
    """Return a new connection.

    Args:
        address: ``unix:PATH`` or ``HOST:PORT``.
        connect_s: how long it may take.
        tls: what the server is held to; None: nothing is encrypted. Not over a Unix socket.

    Raises:
        NoServer: nobody listens there.
    """
    try:
        async with asyncio.timeout(connect_s):
            return ServerStream(address, *await _opened(address, tls))
    except TimeoutError:
        what = f"no connection to {address} within {connect_s:g} s"
        raise NoServer(what, was_silent=True) from None
    except ssl.SSLCertVerificationError as error:
        what = f"the certificate of {address} is not valid: {error.verify_message}"
        raise NoServer(what) from None
    except OSError as error:
        raise NoServer(f"no connection to {address}: {reason_of(error)}") from None


def reason_of(error: OSError) -> str:
    """Return why the system refused something, in its own words."""
    return os.strerror(error.errno) if error.errno else str(error)


class ServerStream:
    """One connection, for one exchange at a time.

    Args:
        address: whose it is, for what is said of it.
        reader, writer: the two directions.
    """

    def __init__(
        self, address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._address = address
        self._reader = reader
        self._writer = writer

    def say(self, *pieces: bytes, is_all: bool = False) -> None:
        """Begin to send something; what follows may be heard meanwhile.

        Args:
            pieces: what to send.
            is_all: nothing more will be said in this connection: it is closed in our direction.
        """
        for piece in pieces:
            self._writer.write(piece)
        if is_all and self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()

    async def some(self) -> bytes:
        """Return what has come, 64 KiB at most; nothing when it has ended.

        Raises:
            HungUp: it was broken off.
        """
        try:
            return await self._reader.read(RECEIVE_BYTES)
        except OSError as error:
            raise HungUp(f"{self._address} broke off: {reason_of(error)}") from None

    async def line(self) -> bytes:
        """Return the next line without its end.

        Raises:
            HungUp: there is none.
            Nonsense: it is longer than any.
        """
        try:
            return (await self._reader.readuntil(b"\n")).rstrip(b"\r\n")
        except asyncio.IncompleteReadError:
            raise HungUp(f"{self._address} closed the connection in its answer") from None
        except asyncio.LimitOverrunError:
            raise Nonsense(f"{self._address} sent a line without an end") from None
        except OSError as error:
            raise HungUp(f"{self._address} broke off: {reason_of(error)}") from None

    async def rest(self, *, bytes_max: int) -> bytes:
        """Return all that comes until its end.

        Raises:
            HungUp: it was broken off.
            Nonsense: it is more than ``bytes_max``.
        """
        heard = bytearray()
        while some := await self.some():
            heard += some
            if len(heard) > bytes_max:
                raise Nonsense(f"{self._address} answered with more than {bytes_max} octets")
        return bytes(heard)

    def is_silent(self) -> bool:
        """Say whether the connection stands; what came unasked shows itself when it is used."""
        return not self._writer.is_closing() and not self._reader.at_eof()

    def close(self) -> None:
        """Close it now; synchronous, and may be repeated."""
        self._writer.transport.abort()


async def _opened(address: str, tls: ssl.SSLContext | None) -> Streams:
    if address.startswith(UNIX_PREFIX):
        path = address.removeprefix(UNIX_PREFIX)
        return await asyncio.open_unix_connection(path, limit=RECEIVE_BYTES)
    host, port = split_endpoint(address)
    found = await system_names().addresses(host)
    failure = OSError("its name has no address")
    for each in found.records:
        try:
            name = host if tls is not None else None
            return await asyncio.open_connection(
                each, port, limit=RECEIVE_BYTES, ssl=tls, server_hostname=name
            )
        except OSError as error:
            failure = error
    raise failure
