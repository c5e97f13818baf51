"""How does a session change over to TLS?

Touches one connection. The change is done as aiosmtpd does it, and what was said before is
forgotten by ``Connection``. When the handshake fails the client hears why: asyncio cuts the
connection, and throws the alert away that OpenSSL has made, so that the other side sees a reset and
nobody there learns that it offers no cipher of ours.

Source: RFC 3207 section 4, RFC 8446 section 6.2 (alerts).
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Coroutine
from typing import Any, cast

import structlog

from satellite.smtp import replies
from satellite.smtp.connection import Connection
from satellite.smtp.replies import Reply
from satellite.smtp.scan_before_answer import ClientGone
from satellite.smtp.timeouts import Phase

log = structlog.get_logger()


class AlertingTls(SSLProtocol):
    """TLS that lets its last word leave when a handshake fails."""

    def _fatal_error(self, error: BaseException, message: str = "") -> None:
        waiting: ssl.MemoryBIO = vars(self)["_outgoing"]  # which no stub of it names
        transport = cast(asyncio.WriteTransport | None, self._transport)
        alert = waiting.read() if isinstance(error, ssl.SSLError) else b""
        if not alert or transport is None:
            super()._fatal_error(error, message)
            return
        transport.write(alert)
        transport.close()


class StarttlsConnection(Connection):
    """A connection that may become a protected one."""

    def _starttls(self, argument: str) -> Reply | None:
        if self._tls_protocol is not None:
            return replies.TLS_ACTIVE
        if self.tls_context is None:
            return replies.TLS_UNAVAILABLE
        if argument:
            at_once(self.smtp_STARTTLS(argument))
            return None
        self._timeouts.enter(Phase.HANDSHAKE, now_s=self._now_s())
        self._await(self._start_tls)
        return None

    async def _start_tls(self) -> None:
        """Go on inside TLS."""
        assert self.tls_context is not None and self.transport is not None
        self._reply(replies.READY_FOR_TLS)
        self._flush()
        agreed: asyncio.Future[None] = self.loop.create_future()
        self._tls_protocol = AlertingTls(
            self.loop, self, self.tls_context, agreed, server_side=True
        )
        self._original_transport = self.transport
        self._original_transport.set_protocol(self._tls_protocol)
        self.transport = self._tls_protocol._app_transport
        self._tls_protocol.connection_made(self._original_transport)
        try:
            await agreed
        except OSError as error:  # ssl.SSLError is one, and so is a connection that was lost
            log.info("smtp.tls_failed", client=self.client_address, cause=str(error))
        if self.session is None or self.session.ssl is None:
            # asyncio tells the layer above TLS nothing of a handshake that did not end well. The
            # connection is closed, not cut: an alert may be on its way.
            self._sessions.note_refusal(self._refused_client(), None, reason="tls_failed")
            self.connection_lost(None)
            raise ClientGone("TLS was not agreed on")
        self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())

    def _tls(self) -> str:
        """Return protocol and cipher; empty in the clear."""
        details: dict[str, Any] | None = self.session.ssl if self.session else None
        if not details:
            return ""
        version = details["ssl_object"].version()
        return f"{version} {details['cipher'][0]}"


def at_once(said: Coroutine[Any, Any, None]) -> None:
    """Run a command of aiosmtpd's that awaits nothing but ``push``, which does not wait."""
    try:
        said.send(None)
    except StopIteration:
        return
    said.close()
    raise AssertionError("aiosmtpd waits where it did not")
