"""For how long may an HTTP client say nothing, and how many may be connected?

Touches the sockets that uvicorn accepts. Whoever reaches the port can open connections: none of
them keeps a place by silence, neither before a request, nor within one, nor by not reading what is
answered (docs/operating.md, *What a stranger can hold*).
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

CONNECTIONS_MAX = 256  # in all; people are few, and a browser opens six
PER_ADDRESS_MAX = 128  # a proxy in front of the core has one address
SILENT_S = 15.0  # until a request is whole, counted from the connection or the answer before it
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
