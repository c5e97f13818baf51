"""For how long may an HTTP client say nothing, and how many may be connected?

Touches the sockets that uvicorn accepts, and those on which TLS has yet to be agreed. Whoever
reaches the port can open connections: none of them keeps a place by silence, neither before a
request, nor within one, nor by not reading what is answered (docs/operating.md, *What a stranger
can hold*).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from common.client_network import network_of

CONNECTIONS_MAX = 256  # in all; people are few, and a browser opens six
PER_ADDRESS_MAX = 128  # a proxy in front of the core has one address
SILENT_S = 15.0  # until a request is whole, counted from the connection or the answer before it
HANDSHAKES_MAX = 256  # at once, in all: each is a descriptor of the whole core's
HANDSHAKES_PER_NETWORK_MAX = 32
HANDSHAKE_S = 10.0
UNREAD_S = 60.0  # for which a client may leave what is written to it unread


class BoundedConnection(H11Protocol):
    """HTTP/1.1 with a client that has to get on.

    Args:
        config: uvicorn's.
        server_state: uvicorn's, with the other connections.
        app_state: uvicorn's.
        _loop: for the timers; None: the running one. uvicorn gives it by this name.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: uvicorn.server.ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.waits_since_s = self.loop.time()
        self._silence: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    @property
    def is_silent(self) -> bool:
        """Whether it is the client's turn: its request has not come, or not whole."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._make_room()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._silence, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self.waits_since_s = self.loop.time()  # a part of a body; of a header it is not enough
        super().data_received(data)

    def on_response_complete(self) -> None:
        self.waits_since_s = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _wait(self) -> None:
        """Look again when the client's time would be over."""
        left_s = self.waits_since_s + SILENT_S - self.loop.time()
        if not self.is_silent:
            left_s = SILENT_S
        elif left_s <= 0:
            self.transport.abort()
            return
        self._silence = self.loop.call_later(left_s, self._wait)

    def _make_room(self) -> None:
        """Let the one go that has been silent for longest, or else this one, if there are many."""
        known = [cast("BoundedConnection", one) for one in self.connections if one is not self]
        others = [one for one in known if not one.transport.is_closing()]
        host = self.client[0] if self.client else ""
        same = [one for one in others if one.client and one.client[0] == host]
        if len(same) >= PER_ADDRESS_MAX:
            others = same
        elif len(others) < CONNECTIONS_MAX:
            return
        silent = [one for one in others if one.is_silent]
        gone = min(silent, key=lambda one: one.waits_since_s, default=self)
        gone.transport.abort()


class TlsGate:
    """The connections of a port on which TLS has yet to be agreed.

    asyncio's own server knows no bound of them, and tells nobody of one before that. When there are
    too many, the one that has taken longest gives way, of the same network first.

    Args:
        context: with the certificate that is shown.
        made: returns who speaks on a connection once TLS is agreed.
    """

    def __init__(self, context: ssl.SSLContext, made: Callable[[], asyncio.Protocol]) -> None:
        self._context = context
        self._made = made
        self._waiting: dict[_Handshake, asyncio.Task[None]] = {}  # the oldest first

    def accepted(self) -> asyncio.Protocol:
        """Return what takes a new connection: the server's factory."""
        return _Handshake(self)

    def close(self) -> None:
        """Let all go that are not through."""
        for one in list(self._waiting):
            one.abort()

    def enter(self, one: _Handshake) -> None:
        """Begin with a connection that has come."""
        same = [other for other in self._waiting if other.network == one.network]
        if len(same) >= HANDSHAKES_PER_NETWORK_MAX:
            self._drop(same[0])
        elif len(self._waiting) >= HANDSHAKES_MAX:
            self._drop(next(iter(self._waiting)))
        task = asyncio.get_running_loop().create_task(one.agree(self._context, self._made))
        self._waiting[one] = task
        task.add_done_callback(lambda _task: self._waiting.pop(one, None))

    def _drop(self, one: _Handshake) -> None:
        self._waiting.pop(one)
        one.abort()


class _Handshake(asyncio.Protocol):
    """One connection until TLS is agreed; what comes in the same moment is kept for who follows."""

    def __init__(self, gate: TlsGate) -> None:
        self.network = ""
        self._gate = gate
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()
        self._is_lost = False

    def abort(self) -> None:
        """Let the connection go."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.pause_reading()  # all that comes is TLS's
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.network = network_of(peer[0].removeprefix("::ffff:")) if peer else ""
        self._gate.enter(self)

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True

    async def agree(self, context: ssl.SSLContext, made: Callable[[], asyncio.Protocol]) -> None:
        """Agree on TLS, and hand the connection over."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        try:
            agreed = await loop.start_tls(
                self._transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_S,
            )
        except OSError:  # and ssl.SSLError, and TimeoutError
            self.abort()
            return
        if agreed is None or self._is_lost:
            return
        follows = made()
        agreed.set_protocol(follows)
        follows.connection_made(agreed)
        if self._early:
            follows.data_received(bytes(self._early))


async def end_connections(state: uvicorn.server.ServerState) -> None:
    """End what is under way at a server that takes no more connections."""
    for connection in list(state.connections):
        connection.shutdown()
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
