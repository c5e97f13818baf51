"""How is a server asked over HTTP/1.1, in connections that are kept?

Touches the connections to that server. The octets are h11's; what it hears is bounded here. A kept
connection that the server had closed says nothing of the question, which is asked again in a new
one; what is asked here changes nothing at the server but its own counters, or what it was told
before already.

Source: RFC 9112 sections 6, 9.3 and 9.6.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from contextlib import suppress

import h11

from common.clock import Clock
from satellite.filtering.servers.failures import HungUp, Nonsense
from satellite.filtering.servers.http_messages import HttpQuestion, HttpReply
from satellite.filtering.servers.server_stream import (
    UNIX_PREFIX,
    ServerStream,
    connected,
)

HEAD_BYTES_MAX = 16_384
BODY_BYTES_MAX = 262_144  # some thousand symbols
IDLE_S_MAX = 10.0  # shorter than servers keep a connection that is idle
IDLE_MAX = 16
VALUE_LENGTH_MAX = 1_024  # of one field that we send


class HttpPeer:
    """One server.

    Args:
        address: ``HOST:PORT`` or ``unix:PATH``.
        clock: for the age of connections.
        tls: what it is held to; None: nothing is encrypted.
    """

    def __init__(self, address: str, *, clock: Clock, tls: ssl.SSLContext | None = None) -> None:
        self.address = address
        self._clock = clock
        self._tls = tls
        self._idle: list[tuple[float, _Conversation]] = []
        self._is_closed = False

    async def asked(self, question: HttpQuestion) -> HttpReply:
        """Return the reply.

        Raises:
            NoServer, HungUp, Nonsense: there is none.
        """
        kept = self._kept()
        if kept is not None:
            with suppress(_WasGone):
                return await self._in(kept, question)
        stream = await connected(self.address, tls=self._tls)
        return await self._in(_Conversation(stream, self.address), question)

    def close(self) -> None:
        """Close what is idle, and what comes back."""
        self._is_closed = True
        for _, conversation in self._idle:
            conversation.close()
        self._idle.clear()

    async def _in(self, conversation: _Conversation, question: HttpQuestion) -> HttpReply:
        is_kept = False
        try:
            reply = await conversation.asked(question)
            is_kept = conversation.goes_on() and not self._is_closed and len(self._idle) < IDLE_MAX
        finally:
            if is_kept:
                self._idle.append((self._clock.monotonic_s(), conversation))
            else:
                conversation.close()
        return reply

    def _kept(self) -> _Conversation | None:
        while self._idle:
            since_s, conversation = self._idle.pop()
            is_young = self._clock.monotonic_s() - since_s < IDLE_S_MAX
            if is_young and conversation.is_silent():
                return conversation
            conversation.close()
        return None


class _Conversation:
    """One connection."""

    def __init__(self, stream: ServerStream, address: str) -> None:
        self._stream = stream
        self._address = address
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._is_fresh = True

    async def asked(self, question: HttpQuestion) -> HttpReply:
        was_fresh, self._is_fresh = self._is_fresh, False
        self._stream.say(*self._octets(question))
        head: h11.Response | None = None
        body = bytearray()
        try:
            while not isinstance(event := await self._event(), h11.EndOfMessage):
                if isinstance(event, h11.Response):
                    head = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > BODY_BYTES_MAX:
                        raise Nonsense(f"{self._address} answered with too many octets")
        except h11.RemoteProtocolError as error:
            if head is None and self._http.trailing_data == (b"", True) and not was_fresh:
                raise _WasGone from None
            if self._http.trailing_data[1]:
                raise HungUp(f"{self._address} closed the connection in its answer") from None
            raise Nonsense(f"{self._address} speaks no HTTP: {error}") from None
        except HungUp:
            if head is None and not was_fresh:
                raise _WasGone from None
            raise
        assert head is not None
        return HttpReply(status=head.status_code, body=bytes(body))

    def goes_on(self) -> bool:
        """Make it ready for the next question; False: it serves for none."""
        try:
            self._http.start_next_cycle()
        except h11.LocalProtocolError:  # the server closes
            return False
        return not self._http.trailing_data[0]

    def is_silent(self) -> bool:
        return self._stream.is_silent()

    def close(self) -> None:
        self._stream.close()

    def _octets(self, question: HttpQuestion) -> Sequence[bytes]:
        host = "localhost" if self._address.startswith(UNIX_PREFIX) else self._address
        length = str(len(question.body))
        # Some servers keep a connection only for whoever says so, as HTTP/1.0 had it.
        ours = [("Host", host), ("Connection", "keep-alive"), ("Content-Length", length)]
        head = h11.Request(
            method=question.method,
            target=question.target,
            headers=[(name.encode(), _value(text)) for name, text in (*ours, *question.fields)],
        )
        said = [self._http.send(head)]
        if question.body:
            said.append(self._http.send(h11.Data(data=question.body)))
        said.append(self._http.send(h11.EndOfMessage()))
        return [octets for octets in said if octets]

    async def _event(self) -> h11.Event:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._stream.some())
            elif isinstance(event, h11.Event):
                return event
            else:  # it closed where an answer was due
                raise HungUp(f"{self._address} closed the connection without an answer")


class _WasGone(Exception):
    """A kept connection had been closed by the server before it heard the question."""


def _value(text: str) -> bytes:
    """Return text as the value of a field: in one line, bounded, UTF-8."""
    line = "".join(c if c >= " " and c != "\x7f" else "?" for c in text[:VALUE_LENGTH_MAX])
    return line.strip().encode("utf-8", "replace")
