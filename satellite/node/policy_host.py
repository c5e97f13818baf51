"""How do senders get the MTA-STS policy of a customer's domain?

Touches ports, for HTTPS, and a folder of certificates. Everybody may ask: connections, their time
and what is read of them are bounded, and a name that comes from outside is looked up among the
files of the folder, never made into one. When there are too many connections the oldest gives way,
of the same network first: who asks has his answer at once, and who is silent keeps out nobody.
While an address cannot be had it is waited for.

Source: RFC 8461 section 3.3, RFC 6066 section 3 (the name in the handshake), RFC 9110 section
15.5.20 (a host that is not here).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import h11
import structlog

from common.binding import bind_hint
from common.client_network import network_of
from common.clock import Clock
from common.settings.satellite import MtaStsSettings
from common.settings.values import split_endpoint
from common.sts_text import POLICY_HOST, POLICY_PATH, sts_policy_text

log = structlog.get_logger()

CONNECTIONS_MAX = 100
CONNECTIONS_PER_NETWORK_MAX = 20  # a large sender has several machines in one
CONNECTION_S = 10.0  # a sender that cares for a policy has it in less
HEAD_BYTES_MAX = 8192
KEPT_MAX = 256  # certificates in memory; others are read anew
BIND_S = 1.0  # between tries to have an address
TOLD_EACH = 60  # of them a line in the log
_PLAIN = b"text/plain; charset=utf-8"


class _HostContext(ssl.SSLContext):
    """What one host shows; it knows for whom, also once another one has taken its place."""

    host: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """A certificate in memory, and when its files were written."""

    context: _HostContext
    written: tuple[int, int]


class PolicyCertificates:
    """The certificates of a folder: ``NAME.crt`` and ``NAME.key`` for each host.

    Files that are renewed are seen at the next handshake; what cannot be used is none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: OrderedDict[str, _Shown] = OrderedDict()
        self._unusable: dict[str, str] = {}
        self._listing: Mapping[str, Path] = {}
        self._listed_ns = 0
        # Who names no host, or one that we do not have, sees no certificate at all.
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.sni_callback = self._choose

    def of(self, host: str) -> ssl.SSLContext | None:
        """Return what a host shows; None: it is not here.

        Args:
            host: from outside.
        """
        name = host.lower()
        files = self._files()
        certificate, key = files.get(f"{name}.crt"), files.get(f"{name}.key")
        if certificate is None or key is None or not name.startswith(f"{POLICY_HOST}."):
            self._kept.pop(name, None)
            return None
        try:
            written = certificate.stat().st_mtime_ns, key.stat().st_mtime_ns
            shown = self._kept.get(name)
            if shown is None or shown.written != written:
                shown = _Shown(_context(name, certificate, key), written)
                self._unusable.pop(name, None)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            return self._told(name, str(error))
        self._kept[name] = shown
        self._kept.move_to_end(name)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return shown.context

    def _files(self) -> Mapping[str, Path]:
        """Return the files of the folder by their names, listed anew once one came or went."""
        try:
            listed_ns = self._folder.stat().st_mtime_ns
            if listed_ns != self._listed_ns:
                self._listing = {path.name: path for path in self._folder.iterdir()}
                self._listed_ns = listed_ns
        except OSError as error:
            self._told("", str(error.strerror))
        return self._listing

    def _told(self, name: str, reason: str) -> ssl.SSLContext | None:
        """Say once for each reason what cannot be used; return what was used before, if any."""
        if self._unusable.get(name) != reason:
            self._unusable[name] = reason
            log.error(
                "mta_sts.unusable",
                folder=str(self._folder),
                name=name,
                reason=reason,
                hint="write both files of the host anew; without any, senders get no policy",
            )
        kept = self._kept.get(name)
        return None if kept is None else kept.context

    def _choose(
        self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext
    ) -> int | None:
        found = None if name is None else self.of(name)
        if found is None:
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        connection.context = found
        return None


class PolicyHost:
    """Serves one policy at every host that it has a certificate for.

    Args:
        settings: where it listens, and what the policy says.
        clock: the time.
    """

    def __init__(self, settings: MtaStsSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._certificates = PolicyCertificates(Path(settings.certificates))
        # Who serves a connection, and its network; the oldest first.
        self._open: dict[asyncio.Task[None], str] = {}
        self._body = sts_policy_text(
            mode=settings.mode, max_age_s=settings.max_age_s, hosts=settings.hosts
        ).encode()

    async def run(self) -> None:
        """Serve until cancelled."""
        servers = [await self._bound(endpoint) for endpoint in self._settings.listen]
        try:
            await asyncio.gather(*(server.serve_forever() for server in servers))
        finally:
            for server in servers:
                server.close()

    async def _bound(self, endpoint: str) -> asyncio.Server:
        host, port = split_endpoint(endpoint)
        tries = 0
        while True:
            try:
                return await asyncio.start_server(
                    self._serve, host, port, limit=HEAD_BYTES_MAX, start_serving=False
                )
            except OSError as error:
                if tries % TOLD_EACH == 0:
                    log.error(
                        "mta_sts.not_served",
                        endpoint=endpoint,
                        reason=error.strerror,
                        hint=f"{bind_hint(error)}; it is tried again, and mail goes on meanwhile",
                    )
                tries += 1
                await self._clock.sleep(BIND_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._enter(serving, _network(writer))
        try:
            async with asyncio.timeout(CONNECTION_S):
                await writer.start_tls(self._certificates.context)
                writer.write(await self._answer(reader, writer))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, EOFError):
            pass  # whoever asked has gone, or wants no more than our time
        finally:
            self._open.pop(serving, None)
            writer.transport.abort()

    def _enter(self, serving: asyncio.Task[None], network: str) -> None:
        same = [one for one, other in self._open.items() if other == network]
        gone = same[0] if len(same) >= CONNECTIONS_PER_NETWORK_MAX else None
        if gone is None and len(self._open) >= CONNECTIONS_MAX:
            gone = next(iter(self._open))
        if gone is not None:
            del self._open[gone]
            gone.cancel()
        self._open[serving] = network

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Return what to write to a client that asks for something."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        try:
            while (event := http.next_event()) is h11.NEED_DATA:
                http.receive_data(await reader.read(HEAD_BYTES_MAX))
        except h11.RemoteProtocolError as error:
            return _written(http, error.error_status_hint, b"", is_head=False)
        if not isinstance(event, h11.Request):
            return b""
        status, body = self._page(event, writer)
        return _written(http, status, body, is_head=event.method == b"HEAD")

    def _page(self, request: h11.Request, writer: asyncio.StreamWriter) -> tuple[int, bytes]:
        hosts = [value for name, value in request.headers if name == b"host"]
        host = hosts[0].decode("ascii", "replace").partition(":")[0] if hosts else ""
        shown = writer.get_extra_info("ssl_object")
        # Not by what the host shows now: that may be renewed since the handshake.
        if shown is None or getattr(shown.context, "host", None) != host.lower():
            return 421, b"this host is not here\n"
        if request.method not in (b"GET", b"HEAD"):
            return 405, b"there is GET\n"
        if request.target.partition(b"?")[0] != POLICY_PATH.encode():
            return 404, f"there is {POLICY_PATH}\n".encode()
        return 200, self._body


def _network(writer: asyncio.StreamWriter) -> str:
    """Return the network that a client is in; empty where it has gone already."""
    peer = writer.get_extra_info("peername")
    return network_of(peer[0].removeprefix("::ffff:")) if peer else ""


def _written(http: h11.Connection, status: int, body: bytes, *, is_head: bool) -> bytes:
    headers = [
        (b"Content-Type", _PLAIN),
        (b"Content-Length", str(len(body)).encode()),
        (b"Connection", b"close"),
    ]
    with suppress(h11.LocalProtocolError):
        octets = http.send(h11.Response(status_code=status, headers=headers)) or b""
        return octets + (b"" if is_head else body)
    return b""


def _context(host: str, certificate: Path, key: Path) -> _HostContext:
    context = _HostContext(ssl.PROTOCOL_TLS_SERVER)
    context.host = host
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # With a password a locked key is refused; without one OpenSSL would ask the terminal.
    context.load_cert_chain(certificate, key, password="")
    return context
