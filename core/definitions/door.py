"""How do satellites fetch definitions from the core?

Touches the network: HTTPS with the certificates of the link, on a port of its own. Whoever has no
certificate of a satellite that the settings name is let go before he has said a word. A node has
only so many connections at once, so that none takes the others' places.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Iterable

import structlog
import uvicorn

from common.binding import bind_hint
from common.certificate import serial_text
from common.errors import EnvironmentFailure, PeerError
from common.rpc import Role, TlsFiles, peer_of
from core.connections import BoundedConnection, TlsGate, end_connections
from core.definitions.shelf import DefinitionSets, application_of
from core.fleet.roster import Roster

log = structlog.get_logger()

CONNECTIONS_MAX = 256  # in all; a hundred nodes fetch two or three files at a time
CONNECTIONS_PER_NODE_MAX = 8
CHECK_S = 60.0  # between two looks whether the certificate was renewed


class Visitors:
    """Who may come in, and how often at once.

    Args:
        cluster: ours.
        roster: says which nodes there are, and which of their certificates are let in.
    """

    def __init__(self, *, cluster: str, roster: Roster) -> None:
        self._cluster = cluster
        self._roster = roster
        self._open: Counter[str] = Counter()

    def enter(self, certificate: object) -> str:
        """Return the node that has come, counted until it leaves.

        Args:
            certificate: what ``ssl.SSLObject.getpeercert`` gave.

        Raises:
            PeerError: it may not come in.
        """
        peer = peer_of({"x509_subject_alternative_name": list(_uris(certificate))})
        if peer.cluster != self._cluster or peer.role is not Role.SATELLITE:
            raise PeerError(f"its certificate is of a {peer.role} of cluster {peer.cluster}")
        self.check(peer.name, certificate)
        if self._open[peer.name] >= CONNECTIONS_PER_NODE_MAX:
            raise PeerError(f"{peer.name} has {CONNECTIONS_PER_NODE_MAX} connections open")
        self._open[peer.name] += 1
        return peer.name

    def check(self, node: str, certificate: object) -> None:
        """Accept that whoever came in may still be there.

        Args:
            node: as ``enter`` gave it.
            certificate: as for ``enter``.

        Raises:
            PeerError: it may not.
        """
        why = self._roster.why_not(node, _serial(certificate))
        if why:
            raise PeerError(why)

    def leave(self, node: str) -> None:
        """Count a connection no more."""
        self._open[node] -= 1
        if self._open[node] <= 0:
            del self._open[node]


class Door:
    """The HTTPS server.

    Args:
        endpoint: host and port to listen on; port 0: any.
        tls: the core's certificate, its key and the cluster's authority.
        visitors: who may come in.
        sets: what there is to fetch.
    """

    def __init__(
        self,
        endpoint: tuple[str, int],
        *,
        tls: TlsFiles,
        visitors: Visitors,
        sets: DefinitionSets,
    ) -> None:
        self._endpoint = endpoint
        self._tls = tls
        self._visitors = visitors
        self._sets = sets
        self._context: ssl.SSLContext | None = None
        self._fingerprint = b""
        self._gate: TlsGate | None = None
        self._server: asyncio.Server | None = None
        self._uvicorn: uvicorn.Server | None = None
        self.port = 0  # once started

    async def start(self) -> None:
        """Listen.

        Raises:
            EnvironmentFailure: the certificate cannot be read, or the address not be bound.
        """
        self._context = await asyncio.to_thread(self._made_context)
        host, port = self._endpoint
        config = uvicorn.Config(
            application_of(self._sets),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # TLS ends here, so that a header is the visitor's own
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=10,
        )
        config.load()
        self._uvicorn = uvicorn.Server(config)
        state, visitors = self._uvicorn.server_state, self._visitors
        self._gate = TlsGate(self._context, lambda: _DoorProtocol(visitors, config, state))
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._gate.accepted, host, port, backlog=128)
        except OSError as error:
            raise EnvironmentFailure(
                f"cannot listen on {host}:{port} for definitions: {error.strerror}",
                hint=bind_hint(error),
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("definitions.listening", port=self.port)

    async def stop(self) -> None:
        """Let nobody in any more, and end what is under way; harmless when it never started."""
        if self._server is None or self._uvicorn is None:
            return
        self._server.close()
        if self._gate is not None:
            self._gate.close()
        self._server = None
        await end_connections(self._uvicorn.server_state)

    async def renew(self) -> None:
        """Show a certificate that was renewed from the next handshake on."""
        try:
            read = await asyncio.to_thread(self._tls.read)
        except EnvironmentFailure:
            return  # the link's own look tells of it
        if self._context is not None and read.fingerprint != self._fingerprint:
            self._fingerprint = read.fingerprint
            await asyncio.to_thread(self._load, self._context)
            log.info("definitions.certificate_renewed")

    def _made_context(self) -> ssl.SSLContext:
        self._fingerprint = self._tls.read().fingerprint
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_verify_locations(self._tls.authority)
            context.load_cert_chain(self._tls.certificate, self._tls.key)
        except OSError as error:
            raise EnvironmentFailure(
                f"{self._tls.certificate}: {error}", hint="render the core's folder again"
            ) from error


class _DoorProtocol(BoundedConnection):
    """HTTP/1.1 for who has shown the certificate of a node of ours."""

    def __init__(
        self, visitors: Visitors, config: uvicorn.Config, state: uvicorn.server.ServerState
    ) -> None:
        super().__init__(config, state, {})
        self._visitors = visitors
        self._node = ""
        self._certificate: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        session = transport.get_extra_info("ssl_object")
        self._certificate = session.getpeercert() if session else None
        try:
            self._node = self._visitors.enter(self._certificate)
        except PeerError as error:
            self._turn_away(error)

    def _turn_away(self, error: PeerError) -> None:
        peer = self.transport.get_extra_info("peername")
        log.warning("definitions.not_permitted", peer=str(peer), reason=error.what)
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._node:
            self._visitors.leave(self._node)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._node:
            return
        try:
            self._visitors.check(self._node, self._certificate)
        except PeerError as error:  # the settings have changed since it came
            self._turn_away(error)
        else:
            super().data_received(data)


def _uris(certificate: object) -> Iterable[bytes]:
    """Yield the URI names of a certificate."""
    names = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    for kind, name in names:
        if kind == "URI":
            yield name.encode("utf-8", "replace")


def _serial(certificate: object) -> str:
    """Return the serial number of a certificate, as ``common.certificate.serial_text``."""
    said = certificate.get("serialNumber", "") if isinstance(certificate, dict) else ""
    try:
        return serial_text(int(said, 16))
    except ValueError:
        raise PeerError("its certificate has no serial number") from None
