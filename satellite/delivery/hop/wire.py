"""How are commands written to a next hop's socket and its replies read, within timeouts?

Touches one TCP connection. Lines in are bounded, and what lies unread can be asked for and thrown
away: asyncio's own streams keep plain text that came before a TLS handshake, and cannot say whether
a reply is there before it is due.

Source: RFC 3207 section 4.2 and CVE-2011-0411 for what is thrown away; RFC 8996 for TLS versions.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import cast

from common.errors import PeerError
from satellite.delivery.decisions.reply import LINE_BYTES_MAX, BadReply

_DER = 2  # _ssl.ENCODING_DER
UNREAD_BYTES_MAX = 65_536  # beyond it the peer has to wait: replies are small


class ConnectionEnded(PeerError):
    """The next hop closed the connection, or the network did."""


class Wire(asyncio.Protocol):
    """One connection; one task reads from it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._unread = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_full = False  # of what we write
        self._is_paused = False  # in what we read
        self._end = ""  # why the connection is over
        self.connect_s = 0.0  # how long it took to be there

    @classmethod
    async def connect(cls, address: str, port: int) -> Wire:
        """Return a connection to an IP address.

        Raises:
            OSError: there is none.
        """
        began_s = time.perf_counter()  # the loop's own clock knows milliseconds alone
        _, wire = await asyncio.get_running_loop().create_connection(cls, address, port)
        wire.connect_s = time.perf_counter() - began_s
        return wire

    # ---- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if len(self._unread) > UNREAD_BYTES_MAX and not self._is_paused and self._transport:
            self._is_paused = True
            self._transport.pause_reading()
        _wake(self._reader)
        if self._writer is not None:  # who speaks before the end of the data may not be listening
            _wake(self._writer)

    def eof_received(self) -> bool:
        self._ended("the next hop closed the connection")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._ended(f"the connection was lost: {error}" if error else "the connection was closed")

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        _wake(self._writer)

    # ---- what we do

    @property
    def has_unread(self) -> bool:
        """Whether the next hop has said something that nobody asked for yet."""
        return bool(self._unread)

    @property
    def is_quiet(self) -> bool:
        """Whether the connection is there and nothing lies unread."""
        return not self._end and not self._unread

    def write(self, data: bytes) -> None:
        """Send octets; ``drain`` says when more may follow.

        Raises:
            ConnectionEnded: nobody is there to read them.
        """
        if self._end:
            raise ConnectionEnded(self._end)
        assert self._transport is not None
        self._transport.write(data)

    async def drain(self) -> None:
        """Return once the next hop has taken enough of what was written, or has said something.

        Raises:
            ConnectionEnded: it will not.
        """
        while self._is_full and not self._end and not self._unread:
            self._writer = self._loop.create_future()
            await self._writer
        if self._end:
            raise ConnectionEnded(self._end)

    def line_at_hand(self) -> bytes | None:
        """Return the next line if all of it is here, else None."""
        if not self._unread:
            return None
        end = self._unread.find(b"\n", 0, LINE_BYTES_MAX)
        return None if end < 0 else self._taken(end)

    def due_s(self, deadline_s: float) -> float:
        """Return the loop's time at which a deadline is over that begins now."""
        return self._loop.time() + deadline_s

    async def line(self, due_s: float) -> bytes:
        """Return the next line without its line end.

        Args:
            due_s: the loop's time until which it is waited for.

        Raises:
            BadReply: it is longer than a reply's line may be.
            ConnectionEnded: there is none.
            TimeoutError: it did not come in time.
        """
        while (end := self._unread.find(b"\n", 0, LINE_BYTES_MAX)) < 0:
            if len(self._unread) >= LINE_BYTES_MAX:
                raise BadReply(f"a reply's line of more than {LINE_BYTES_MAX} octets")
            if self._end:
                raise ConnectionEnded(self._end)
            self._reader = self._loop.create_future()
            alarm = self._loop.call_at(due_s, _give_up, self._reader)
            try:
                await self._reader
            finally:
                alarm.cancel()
        return self._taken(end)

    def _taken(self, end: int) -> bytes:
        unread = self._unread
        line = bytes(unread[:end]).removesuffix(b"\r")
        if end + 1 == len(unread):
            unread.clear()
        else:
            del unread[: end + 1]
        if self._is_paused:
            self._go_on_reading()
        return line

    async def start_tls(self, context: ssl.SSLContext, *, name: str) -> str:
        """Begin TLS and return protocol and cipher.

        Raises:
            OSError, ConnectionEnded: the handshake failed; the connection is of no use any more.
        """
        assert self._transport is not None
        # Whoever sits between us and the next hop may have put replies behind its 220; read after
        # the handshake they would pass for protected ones.
        self._unread.clear()
        self._go_on_reading()
        transport = await self._loop.start_tls(
            self._transport, self, context, server_hostname=name or None
        )
        if transport is None or self._end:
            raise ConnectionEnded(self._end or "the TLS handshake failed")
        self._transport = transport
        cipher = transport.get_extra_info("cipher")
        return f"{cipher[1]} {cipher[0]}" if cipher else "TLS"

    def peer_chain(self) -> list[bytes]:
        """Return the certificates that the next hop has shown, in DER, its own first."""
        assert self._transport is not None
        shown = self._transport.get_extra_info("ssl_object")
        if hasattr(shown, "get_unverified_chain"):  # from Python 3.13 on
            return list(shown.get_unverified_chain())
        chain = shown._sslobj.get_unverified_chain() or ()
        return [each.public_bytes(_DER) for each in chain]

    def close(self) -> None:
        """End the connection once what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection now."""
        self._ended("the connection was given up")
        if self._transport is not None:
            self._transport.abort()

    def _go_on_reading(self) -> None:
        if self._is_paused and self._transport is not None and not self._end:
            self._is_paused = False
            self._transport.resume_reading()

    def _ended(self, reason: str) -> None:
        self._end = self._end or reason
        _wake(self._reader)
        _wake(self._writer)


def _give_up(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
