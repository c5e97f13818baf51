"""How do core and satellites reach each other, and who is at the other end?

Touches certificate files and builds gRPC servers and channels. Both sides show a certificate of
the cluster's authority: the tunnel below names a host, the certificate a role and a name.

The core's certificate is for the DNS name NAME.CLUSTER.borderscout.internal, whatever address it
is reached at; a satellite's certificate never holds such a name. Each certificate carries one URI
name, ``borderscout://CLUSTER/ROLE/NAME``.

Source: docs/design/link-guarantees.md, *Facts of the transport* (measured);
docs/design/faults.md, F12.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import cast

import grpc
import grpc.aio
import structlog

from common.certificate import CertificateStatus, check_pair, not_after_s, serial_number
from common.errors import EnvironmentFailure, PeerError

log = structlog.get_logger()

KEPT = "the certificate before is still in use; render the folder again and copy it here"

MESSAGE_BYTES_MAX = 4 * 1024 * 1024  # gRPC's own limit; everything larger is sent in parts
STREAMS_MAX = 256  # per connection: 6 for each shard, and room for restarts
METADATA_BYTES_MAX = 16 * 1024  # we send one short item
LET_IN = "borderscout-let-in"  # in the core's first metadata: the caller's identity was accepted

_COMMON_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_metadata_size", METADATA_BYTES_MAX),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Without it a hung peer is noticed after 80 s, with it after 30 s.
    ("grpc.http2.ping_timeout_ms", 10_000),
)

_SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    *_COMMON_OPTIONS,
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.max_concurrent_streams", STREAMS_MAX),
    # A second core on this port must fail to start, not take half of the connections.
    ("grpc.so_reuseport", 0),
)

_CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    *_COMMON_OPTIONS,
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # this one is how long one attempt may take
    ("grpc.max_reconnect_backoff_ms", 5_000),  # 3.4 s after the core was back; by default 21 s
    # The link crosses the tunnel; a proxy from the environment would carry it elsewhere.
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),  # a stream that ended is opened anew by its machine
    # Each link has its own connection, so that a renewed certificate is used at once.
    ("grpc.use_local_subchannel_pool", 1),
)


class Role(StrEnum):
    """What a certificate of the cluster is for."""

    CORE = "core"
    SATELLITE = "satellite"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end, as its certificate says."""

    cluster: str
    role: Role
    name: str


_URI = re.compile(
    r"borderscout://([a-z0-9][a-z0-9-]{0,62})/(core|satellite)/([a-z0-9][a-z0-9-]{0,62})"
)


def peer_of(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """Return who is at the other end.

    Args:
        auth_context: what ``ServicerContext.auth_context()`` gave.

    Raises:
        PeerError: there is no certificate, or not exactly one name of ours in it.
    """
    names = auth_context.get("x509_subject_alternative_name", ())
    uris = [name.decode("utf-8", "replace") for name in names if name.startswith(b"borderscout:")]
    if len(uris) != 1:
        raise PeerError(f"the certificate holds {len(uris)} names of ours, not one")
    match = _URI.fullmatch(uris[0])
    if match is None:
        raise PeerError("the certificate's name is none of ours")
    return Peer(match[1], Role(match[2]), match[3])


def serial_of(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """Return the serial number of the certificate at the other end, as ``serial_text``.

    Args:
        auth_context: what ``ServicerContext.auth_context()`` gave.

    Raises:
        PeerError: there is no certificate.
    """
    shown = next(iter(auth_context.get("x509_pem_cert", ())), b"")
    try:
        return _serial_of(shown)
    except EnvironmentFailure as error:
        raise PeerError(error.what) from None


@lru_cache(maxsize=1024)
def _serial_of(certificate: bytes) -> str:
    """Read each certificate once: every call asks, and each connection shows one."""
    return serial_number(certificate)


def peer_ends_s(auth_context: Mapping[str, Iterable[bytes]]) -> float | None:
    """Return when the certificate at the other end is over, in seconds since the epoch (UTC).

    Args:
        auth_context: what ``ServicerContext.auth_context()`` gave; without a certificate: None.
    """
    try:
        return not_after_s(b"".join(auth_context.get("x509_pem_cert", ())))
    except EnvironmentFailure:
        return None


def core_host(*, cluster: str, name: str) -> str:
    """Return the DNS name that the core's certificate is for."""
    return f"{name}.{cluster}.borderscout.internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where our certificate, its key and the authority's certificate are, as PEM."""

    certificate: Path
    key: Path
    authority: Path

    def read(self) -> TlsMaterial:
        """Read the three files.

        Raises:
            EnvironmentFailure: one of them cannot be read, or they do not belong together: they are
                renewed one after the other.
        """
        try:
            read = TlsMaterial(
                certificate=self.certificate.read_bytes(),
                key=self.key.read_bytes(),
                authority=self.authority.read_bytes(),
            )
            check_pair(read.certificate, read.key)
            not_after_s(read.authority)  # a PEM certificate as well
        except OSError as error:
            what = f"cannot read {error.filename}: {error.strerror}"
        except EnvironmentFailure as error:
            what = f"{self.certificate}: {error.what}"
        else:
            return read
        raise EnvironmentFailure(what, hint="render the node's folder again")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsMaterial:
    """The content of the three files."""

    certificate: bytes
    key: bytes
    authority: bytes

    @property
    def fingerprint(self) -> bytes:
        """Changes when any of the files does."""
        parts = (self.certificate, self.key, self.authority)
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()

    def status(self, problem: str = "") -> CertificateStatus:
        """Return until when the certificate is good.

        Args:
            problem: why what the files hold by now is not used.
        """
        return CertificateStatus(not_after_s(self.certificate), problem)


def open_channel(
    address: str, tls: TlsMaterial, *, cluster: str, core_name: str
) -> grpc.aio.Channel:
    """Return a channel to the core; nothing is sent until a call is made.

    A client's certificate cannot be changed on an open channel (grpc issue 41779): a renewed one
    needs a new channel.
    """
    credentials = grpc.ssl_channel_credentials(
        root_certificates=tls.authority,
        private_key=tls.key,
        certificate_chain=tls.certificate,
    )
    host = core_host(cluster=cluster, name=core_name)
    options = (*_CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", host))
    return grpc.aio.secure_channel(address, credentials, options=options)


class ServerCertificate:
    """The certificate that a server shows, read again whenever somebody comes.

    Args:
        files: where it is.

    Raises:
        EnvironmentFailure: the files cannot be read, or do not belong together.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._current = files.read()
        self._given = self._current  # what gRPC has; it asks in threads of its own
        self._problem = ""

    def look(self) -> CertificateStatus:
        """Read the files, and return until when what new handshakes will see is good.

        A file that is just being replaced must not close the door: what does not fit is told once,
        and what was good stays.
        """
        try:
            self._current = self._files.read()
            problem = ""
        except EnvironmentFailure as error:
            problem = error.what
        if problem and problem != self._problem:
            log.error("link.certificate_unusable", reason=problem, hint=KEPT)
        self._problem = problem
        return self._current.status(problem)

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a server listens with."""
        # The types know nothing of the None that the documentation of gRPC asks for.
        fetcher = cast("Callable[[], grpc.ServerCertificateConfiguration]", self._renewed)
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._given), fetcher, require_client_authentication=True
        )

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what gRPC is to use from this handshake on; None for what it has."""
        self.look()
        current = self._current
        if current.fingerprint == self._given.fingerprint:
            return None
        self._given = current
        log.info("link.certificate_renewed")
        return _configuration(current)


def _configuration(tls: TlsMaterial) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(tls.key, tls.certificate)], root_certificates=tls.authority
    )


def open_server(address: str, certificate: ServerCertificate) -> tuple[grpc.aio.Server, int]:
    """Return a server that is bound but not started, and its port.

    Its certificate is read again when the files change: new handshakes see the new one, open
    streams go on.

    Raises:
        EnvironmentFailure: the address is not ours to bind.
    """
    server = grpc.aio.server(options=_SERVER_OPTIONS)
    try:
        port = server.add_secure_port(address, certificate.credentials())
    except RuntimeError as error:
        raise EnvironmentFailure(
            f"cannot listen on {address}", hint="is another core running, or the port taken?"
        ) from error
    return server, port
