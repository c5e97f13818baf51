"""How does a node reach the core that has no certificate yet, or whose tunnel does not work?

Touches the network: HTTPS on a port of its own, open to the world. Its certificate is signed by the
core's issuer for one fixed name, and lives for days in memory. Whoever has no token hears one and
the same refusal, and not often: an address's network has a few tries in a minute. Members show
their certificate and renew here.

Nothing else is served: a body is bounded and typed before anything looks at it.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections import OrderedDict
from typing import Any, TypeVar

import structlog
import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from common.binding import bind_hint
from common.certificate import named_file, serial_text
from common.client_network import network_of
from common.clock import Clock
from common.errors import BorderScoutError, EnvironmentFailure, PeerError
from common.joining import BODY_BYTES_MAX, JoinRequest, MemberQuestion, RenewRequest, TunnelChoice
from common.rpc import Role, peer_of
from common.token_bucket import TokenBucket
from core.connections import BoundedConnection, TlsGate, end_connections
from core.fleet.roster import Roster
from core.joining.joining import Joining
from core.people.members import MemberRevoked, TokenNotGood

log = structlog.get_logger()

TRIES_PER_S = 0.2  # of one network or member, for ever
TRIES_BURST = 10.0  # and at once: a few nodes behind one address
NETWORKS_MAX = 4_096  # that are remembered
BODY_S = 15.0  # for a whole body; of bodies that trickle there would be ever more
AGAIN_S = 30.0  # after the door could not be opened
CERTIFICATE_S = 86_400.0  # between two certificates of the door; each is good for a week

BodyT = TypeVar("BodyT", bound=BaseModel)


class TooOften(PeerError):
    """Somebody has to wait.

    Args:
        wait_s: for how long.
    """

    def __init__(self, wait_s: float) -> None:
        super().__init__("too many tries", hint=f"wait for {int(wait_s) + 1} s")


class Tries:
    """How often strangers of each network, or members, have tried lately.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def wait_s(self, whom: str) -> float:
        """Count a try, and return 0; or return for how long they have to wait.

        Args:
            whom: the network that it comes from, or the member.
        """
        bucket = self._buckets.pop(whom, None)
        if bucket is None:
            bucket = TokenBucket(per_s=TRIES_PER_S, burst=TRIES_BURST)
        self._buckets[whom] = bucket
        while len(self._buckets) > NETWORKS_MAX:
            self._buckets.popitem(last=False)
        wait_s = bucket.wait_s(now_s=self._clock.monotonic_s())
        if not wait_s:
            bucket.take()
        return wait_s


class JoinDoor:
    """The HTTPS server.

    Args:
        endpoint: host and port to listen on; port 0: any.
        joining: what is behind it.
        cluster: ours.
        roster: says which certificates are let in.
        clock: for the tries.
    """

    def __init__(
        self,
        endpoint: tuple[str, int],
        *,
        joining: Joining,
        cluster: str,
        roster: Roster,
        clock: Clock,
    ) -> None:
        self._endpoint = endpoint
        self._joining = joining
        self._cluster = cluster
        self._roster = roster
        self._clock = clock
        self._tries = Tries(clock)
        self._changes = Tries(clock)  # of members
        self._looks = Tries(clock)  # of members, too: each asks once a minute
        self._context: ssl.SSLContext | None = None
        self._gate: TlsGate | None = None
        self._server: asyncio.Server | None = None
        self._uvicorn: uvicorn.Server | None = None
        self.port = 0  # once it listens

    async def run(self) -> None:
        """Listen, and show a fresh certificate each day, until cancelled.

        Without an issuer, or a port, it is tried again: the core does the rest of its work.
        """
        while True:
            try:
                await self._serve()
            except EnvironmentFailure as error:
                log.error("join.not_open", reason=error.what, hint=error.hint)
                await self._clock.sleep(AGAIN_S)

    async def _serve(self) -> None:
        try:
            await self._listen()
            while True:
                await self._clock.sleep(CERTIFICATE_S)
                assert self._context is not None
                await asyncio.to_thread(self._load, self._context)
        finally:
            await self._stop()

    async def _listen(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL  # members show theirs, who joins has none
        await asyncio.to_thread(self._load, context)
        self._context = context
        config = uvicorn.Config(
            self._application(),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # TLS ends here, so that a header is the stranger's own
            timeout_keep_alive=5,
        )
        config.load()
        self._uvicorn = uvicorn.Server(config)
        state = self._uvicorn.server_state
        self._gate = TlsGate(context, lambda: _JoinProtocol(config, state, {}))
        self._server = await asyncio.get_running_loop().create_server(
            self._gate.accepted, sock=_bound(*self._endpoint), backlog=128
        )
        self.port = self._server.sockets[0].getsockname()[1]
        log.info("join.listening", port=self.port)

    async def _stop(self) -> None:
        if self._server is None or self._uvicorn is None:
            return
        self._server.close()
        if self._gate is not None:
            self._gate.close()
        self._server = None
        await end_connections(self._uvicorn.server_state)

    def _load(self, context: ssl.SSLContext) -> None:
        signer = self._joining.signer
        certificate, key = signer.door(now_us=self._clock.now_us())
        with named_file(certificate) as certificate_name, named_file(key) as key_name:
            context.load_cert_chain(certificate_name, key_name)
        context.load_verify_locations(cadata=signer.authority_pem().decode("ascii"))

    # ---- what is asked

    def _application(self) -> Starlette:
        async def failed(_request: Request, error: Exception) -> Response:
            if isinstance(error, BorderScoutError):
                return _refused(_status_of(error), error.what, error.hint)
            status = error.status_code if isinstance(error, HTTPException) else 500
            return _refused(status, "this is not served here", "")

        routes = {
            "/join": self._join,
            "/member": self._member,
            "/renew": self._renew,
            "/switch": self._switch,
            "/settle": self._settle,
        }
        return Starlette(
            routes=[Route(path, one, methods=["POST"]) for path, one in routes.items()],
            exception_handlers={
                HTTPException: failed,
                BorderScoutError: failed,
                Exception: failed,
            },
        )

    async def _join(self, request: Request) -> Response:
        address = _address(request)
        wait_s = self._tries.wait_s(network_of(address))
        if wait_s:
            raise TooOften(wait_s)
        asked = await _body(request, JoinRequest)
        try:
            answer = await self._joining.join(asked, client=address)
        except TokenNotGood:
            log.warning("join.refused", client=address, node=asked.node)
            raise
        return JSONResponse(answer.said())

    async def _member(self, request: Request) -> Response:
        node, _ = self._caller(request, self._looks)
        asked = await _body(request, MemberQuestion)
        return JSONResponse(self._joining.member(node, asked).said())

    async def _renew(self, request: Request) -> Response:
        node, serial = self._caller(request, self._changes)
        asked = await _body(request, RenewRequest)
        return JSONResponse((await self._joining.renew(node, serial, asked)).said())

    async def _switch(self, request: Request) -> Response:
        node, serial = self._caller(request, self._changes)
        asked = await _body(request, TunnelChoice)
        answer = await self._joining.switch(node, serial, asked.wireguard or "")
        return JSONResponse(answer.said())

    async def _settle(self, request: Request) -> Response:
        node, serial = self._caller(request, self._changes)
        return JSONResponse((await self._joining.settle(node, serial)).said())

    def _caller(self, request: Request, tries: Tries) -> tuple[str, str]:
        """Return the member that has come, and its certificate's serial number.

        Args:
            request: what it wants.
            tries: how often members may: a change is signed, or in the audit, and a look reads the
                core's tunnel, which one member could have everybody else wait for.

        Raises:
            TokenNotGood: whoever has come is none.
            MemberRevoked: it was one.
            TooOften: it asks for one thing after the other.
        """
        shown = request.scope.get("state", {}).get("certificate")
        try:
            peer = peer_of({"x509_subject_alternative_name": _uris(shown)})
            serial = serial_text(int(shown["serialNumber"], 16))
        except (PeerError, KeyError, TypeError, ValueError):
            raise TokenNotGood from None
        why = self._roster.why_not(peer.name, serial)
        if peer.cluster != self._cluster or peer.role is not Role.SATELLITE or why:
            if not self._tries.wait_s(
                network_of(_address(request))
            ):  # or the log would have it for ever
                log.warning("join.not_permitted", node=peer.name, reason=why or "not a satellite's")
            is_ours = peer.cluster == self._cluster and peer.role is Role.SATELLITE
            if is_ours and self._joining.is_revoked(peer.name):
                raise MemberRevoked(peer.name)
            raise TokenNotGood
        wait_s = tries.wait_s(peer.name)
        if wait_s:
            raise TooOften(wait_s)
        return peer.name, serial


class _JoinProtocol(BoundedConnection):
    """HTTP/1.1 that tells the application which certificate was shown."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        session = transport.get_extra_info("ssl_object")
        self.app_state["certificate"] = session.getpeercert() if session else None
        super().connection_made(transport)


async def _body(request: Request, kind: type[BodyT]) -> BodyT:
    """Return what a request says.

    Raises:
        HTTPException: it is too long or too slow, or says something else.
    """
    octets = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                octets += part
                if len(octets) > BODY_BYTES_MAX:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    try:
        return kind.model_validate_json(bytes(octets))
    except ValidationError:
        raise HTTPException(400) from None


def _status_of(error: BorderScoutError) -> int:
    match error:
        case TokenNotGood() | MemberRevoked():
            return 403
        case TooOften():
            return 429
        case EnvironmentFailure():
            return 503
        case _:
            return 400


def _refused(status: int, what: str, hint: str) -> Response:
    return JSONResponse({"title": what, "remedy": hint}, status)


def _address(request: Request) -> str:
    """Return where a request comes from; IPv4 also on a socket of both families."""
    assert request.client is not None
    return request.client.host.removeprefix("::ffff:")


def _uris(certificate: Any) -> list[bytes]:
    """Return the URI names of a certificate."""
    names = certificate.get("subjectAltName", ()) if isinstance(certificate, dict) else ()
    return [name.encode("utf-8", "replace") for kind, name in names if kind == "URI"]


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound; ``::`` takes both families where the system has both.

    Raises:
        EnvironmentFailure: it cannot be had.
    """
    try:
        return _socket(host, port)
    except OSError as error:
        if host == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return _bound("0.0.0.0", port)  # noqa: S104 - a machine without IPv6
        raise EnvironmentFailure(
            f"cannot listen on {host}:{port} for nodes that join: {error.strerror}",
            hint=bind_hint(error),
        ) from None


def _socket(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        if ":" in host:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
