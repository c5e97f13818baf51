"""How is an SMTP session with a next hop opened, kept and ended?

Touches one connection through ``Wire``. A session is opened once and used for many transactions;
what goes wrong before MAIL is the host's affair and never a recipient's.

Source: RFC 2033 section 4.1 (LHLO); RFC 5321 sections 4.1.1.1 (EHLO, HELO) and 4.5.3.2 (deadlines),
RFC 3207 (STARTTLS), RFC 1870, RFC 2920, RFC 3461, RFC 6152, RFC 6531.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Self, assert_never

from common.errors import PeerError
from common.frozen import dataclass
from common.preferences.deliver_to import Target
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.reply import BadReply, HopReply, ReplyLines, reply_of
from satellite.delivery.hop.protection import STATUS_NOT_OFFERED, STATUS_TLS_FAILED, Tls
from satellite.delivery.hop.wire import ConnectionEnded, Wire
from satellite.delivery.published.tls_results import TlsResultKind

QUIT_S = 2.0  # politeness has a limit
_KINDS = {  # by OpenSSL's X509_V_ERR; the others mean that nobody known vouches for it
    10: TlsResultKind.EXPIRED,
    62: TlsResultKind.HOST_MISMATCH,
    64: TlsResultKind.HOST_MISMATCH,  # an IP address
}
COMES_BACK = "the mail would come back to us"


@dataclass(frozen=True, slots=True)
class Hop:
    """One address of one host of a destination.

    Args:
        target: the host.
        address: of that host.
        via: the configured entry whose MX led to it; None: it is configured itself.
        domain: whose MX led to it; empty: none did.
        is_validated: DNSSEC proved that it is this host's address, and the MX if there is one.
    """

    target: Target
    address: str
    via: Target | None = None
    domain: str = ""
    is_validated: bool = False

    @property
    def configured(self) -> Target:
        """The entry that led here."""
        return self.via or self.target

    @property
    def host(self) -> tuple[str, int]:
        """What is the same host for all destinations that lead to it."""
        return self.address, self.target.port

    def __str__(self) -> str:
        return str(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long the next hop may take, in seconds."""

    connect_s: float
    reply_s: float  # for each reply, and for each block that it must take
    dot_s: float

    def within(self, open_s: float) -> Deadlines:
        """Return deadlines for a session that must be open in time."""
        return Deadlines(
            connect_s=min(self.connect_s, open_s),
            reply_s=min(self.reply_s, open_s),
            dot_s=self.dot_s,
        )


class HopFailed(PeerError):
    """A host could not be talked to, or did not want to talk."""

    def __init__(
        self,
        hop: Hop,
        what: str,
        *,
        tls_status: str = "",
        tls_result: TlsResultKind = TlsResultKind.VALIDATION,
        is_loop: bool = False,
        is_silence: bool = False,
        is_unasked: bool = False,
    ) -> None:
        super().__init__(f"{hop}: {what}")
        self.tls_result = tls_result  # as a report calls it, when TLS was the reason
        self.is_loop = is_loop  # it is we who are there
        self.tls_status = tls_status  # the enhanced status code when TLS was the reason
        self.is_silence = is_silence  # its time was over, and it had not answered
        self.is_unasked = is_unasked  # it must not be used, whatever it would say


class SessionFailed(PeerError):
    """A session broke: no reply in time, none that is one, or no connection."""

    def __init__(self, what: str, *, is_silence: bool = False) -> None:
        super().__init__(what)
        self.is_silence = is_silence  # no reply in time


@dataclass(frozen=True, slots=True)
class Extensions:
    """What a next hop offers."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    starttls: bool = False
    dsn: bool = False
    size: bool = False
    size_bytes_max: int = 0  # 0: it names no limit
    xforward: bool = False  # it wants to know whose mail is passed on

    @classmethod
    def of(cls, reply: HopReply) -> Self:
        """Return what the reply to EHLO offers; its first line is a greeting."""
        offered: dict[str, str] = {}
        for line in reply.lines[1:]:
            word, _, parameters = line.strip().partition(" ")
            offered[word.upper()] = parameters.strip()
        size = offered.get("SIZE", "")
        return cls(
            pipelining="PIPELINING" in offered,
            eight_bit="8BITMIME" in offered,
            smtputf8="SMTPUTF8" in offered,
            starttls="STARTTLS" in offered,
            dsn="DSN" in offered,
            size="SIZE" in offered,
            xforward="XFORWARD" in offered,
            size_bytes_max=int(size) if size.isdecimal() and len(size) < 20 else 0,
        )


class HopSession:
    """One session, from the greeting to QUIT."""

    def __init__(self, wire: Wire, hop: Hop, deadlines: Deadlines) -> None:
        self.wire = wire
        self.hop = hop
        self.host = str(hop)  # as records and reasons name it
        self.deadlines = deadlines
        self.extensions = Extensions()
        self.is_lmtp = hop.target.is_lmtp
        self.tls = ""  # protocol and cipher; empty: in the clear
        self.is_verified = False  # the host has proved to be the one that was asked for
        self.policy = TlsPolicy.OPPORTUNISTIC  # under which it was opened
        self.tls_problem = ""  # why it is in the clear although TLS was offered
        self.is_hanging = False  # a transaction takes long
        self.transactions = 0
        self.opened_s = 0.0  # the pool's clock
        self.idle_since_s = 0.0
        self._is_spoilt = False

    @property
    def is_usable(self) -> bool:
        """Whether another transaction may begin: nothing broke and nothing lies unread."""
        return not self._is_spoilt and self.wire.is_quiet

    def fits(self, policy: TlsPolicy) -> bool:
        """Say whether mail that leaves under a policy may go through this session."""
        match policy:
            case TlsPolicy.OPPORTUNISTIC:
                return True
            case TlsPolicy.REQUIRED:
                return bool(self.tls)
            case TlsPolicy.VERIFIED:
                return self.is_verified
            case TlsPolicy.AUTO:  # what is published was looked at when it was opened
                return self.policy is policy
            case _:
                assert_never(policy)

    def abort(self) -> None:
        """End it now; it is never used again."""
        self._is_spoilt = True
        self.wire.abort()

    async def quit(self) -> None:
        """End it politely, within ``QUIT_S``."""
        try:
            if self.is_usable:
                async with asyncio.timeout(QUIT_S):
                    await self.command("QUIT")
        except (SessionFailed, TimeoutError):
            pass  # it is over in any case
        finally:
            self.abort()

    def leave(self) -> None:
        """Say QUIT where that can still be said, and close without waiting for the answer."""
        try:
            if self.is_usable:
                self.say("QUIT")
        except SessionFailed:
            return
        self._is_spoilt = True
        self.wire.close()

    async def command(self, text: str) -> HopReply:
        """Say one command and return the reply.

        Raises:
            SessionFailed: there is none that counts; the session is spoilt.
        """
        self.say(text)
        return await self.reply(self.deadlines.reply_s)

    def say(self, *commands: str) -> None:
        """Send commands in one piece.

        Raises:
            SessionFailed: the connection is over.
        """
        text = "\r\n".join(commands) + "\r\n"
        assert text.count("\r") == text.count("\n") == len(commands)
        try:
            self.wire.write(text.encode())
        except ConnectionEnded as error:
            raise self.broken(error.what) from None

    async def reply(self, deadline_s: float) -> HopReply:
        """Return the next reply; the deadline is for all of its lines together.

        Raises:
            SessionFailed: there is none that counts; the session is spoilt.
        """
        try:
            # The answers to commands sent in one piece mostly come in one: no timer for those.
            line = self.wire.line_at_hand()
            due_s = 0.0 if line is not None else self.wire.due_s(deadline_s)
            if line is None:
                line = await self.wire.line(due_s)
            reply = reply_of(line)
            if reply is None:
                reply = await self._rest(line, due_s or self.wire.due_s(deadline_s))
        except TimeoutError:
            raise self.broken(f"no reply within {deadline_s:g} s", is_silence=True) from None
        except (BadReply, ConnectionEnded) as error:
            raise self.broken(error.what) from None
        if reply.code == 421:  # it closes the connection, whatever was asked: RFC 5321 section 3.8
            self._is_spoilt = True
        return reply

    async def _rest(self, first: bytes, due_s: float) -> HopReply:
        """Return a reply of several lines."""
        lines = ReplyLines()
        reply = lines.add(first)
        while reply is None:
            reply = lines.add(await self.wire.line(due_s))
        return reply

    def broken(self, what: str, *, is_silence: bool = False) -> SessionFailed:
        """End the session and return the error that says why."""
        self.abort()
        return SessionFailed(what, is_silence=is_silence)


async def open_session(
    hop: Hop,
    *,
    hostname: str,
    deadlines: Deadlines,
    tls: Tls | None,
    is_own: Callable[[str], bool] = lambda _name: False,
) -> HopSession:
    """Connect, greet, and go over to TLS when it is offered or has to be.

    Args:
        hop: where to.
        hostname: our name.
        deadlines: how long it may take.
        tls: for STARTTLS; None: stay in the clear.
        is_own: says of a name that it is one of ours; a host that calls itself so is left.

    Raises:
        HopFailed: anything that keeps us from saying MAIL; with ``tls_status`` when TLS was the
            reason.
    """
    try:
        async with asyncio.timeout(deadlines.connect_s):
            wire = await Wire.connect(hop.address, hop.target.port)
    except TimeoutError:
        what = f"no connection within {deadlines.connect_s:g} s"
        raise HopFailed(hop, what, is_silence=True) from None
    except OSError as error:
        raise HopFailed(hop, _of_os_error(error)) from None
    session = HopSession(wire, hop, deadlines)
    try:
        await _greet(session, hostname, is_own)
        if tls is not None and session.extensions.starttls:
            await _secure(session, hostname, tls)
        elif tls is not None and tls.is_required:
            session.leave()
            what = f"it offers no STARTTLS, and {tls.demanded_by}"
            raise HopFailed(
                hop, what, tls_status=STATUS_NOT_OFFERED, tls_result=TlsResultKind.NOT_OFFERED
            )
    except SessionFailed as error:
        raise HopFailed(hop, error.what, is_silence=error.is_silence) from None
    except BaseException:  # cancelled too: what was begun is undone
        session.abort()
        raise
    return session


async def _greet(session: HopSession, hostname: str, is_own: Callable[[str], bool]) -> None:
    greeting = await session.reply(session.deadlines.reply_s)
    if greeting.code != 220:
        session.leave()  # RFC 5321 section 3.1: who refuses us waits for QUIT
        raise HopFailed(session.hop, f"it greeted with {greeting}")
    name = await _hello(session, hostname)
    if is_own(name):
        # Found before the first message goes round, whatever address or MX led here.
        session.leave()
        what = f"it calls itself {name}, which is this cluster: {COMES_BACK}"
        raise HopFailed(session.hop, what, is_loop=True)


async def _hello(session: HopSession, hostname: str) -> str:
    """Say hello; return how the host calls itself in its answer."""
    reply = await session.command(f"{'LHLO' if session.is_lmtp else 'EHLO'} {hostname}")
    if reply.severity == 2:
        session.extensions = Extensions.of(reply)
        return reply.lines[0].strip().partition(" ")[0]
    if reply.severity == 5 and not session.tls and not session.is_lmtp:
        reply = await session.command(f"HELO {hostname}")
    if reply.severity != 2:
        session.leave()
        raise HopFailed(session.hop, f"it answered our hello with {reply}")
    return reply.lines[0].strip().partition(" ")[0]


async def _secure(session: HopSession, hostname: str, tls: Tls) -> None:
    reply = await session.command("STARTTLS")
    if reply.code != 220:
        session.leave()
        what = f"it answered STARTTLS with {reply}"
        raise HopFailed(session.hop, what, tls_status=STATUS_TLS_FAILED)
    name = _server_name(session.hop, tls)
    try:
        async with asyncio.timeout(session.deadlines.connect_s):
            session.tls = await session.wire.start_tls(tls.context, name=name)
        problem = tls.check(session.wire.peer_chain()) if tls.check is not None else ""
        if problem:
            raise _tls_failed(session, problem)
        session.is_verified = tls.is_verified
        session.extensions = Extensions()  # what was said in the clear does not count
        await _hello(session, hostname)
    except TimeoutError:
        raise _tls_failed(session, "the TLS handshake took too long") from None
    except (OSError, ConnectionEnded, SessionFailed) as error:
        raise _tls_failed(session, f"TLS failed: {_text(error)}", _kind_of(error)) from None


def _tls_failed(
    session: HopSession, what: str, kind: TlsResultKind = TlsResultKind.VALIDATION
) -> HopFailed:
    session.abort()
    return HopFailed(session.hop, what, tls_status=STATUS_TLS_FAILED, tls_result=kind)


def _kind_of(error: OSError | PeerError) -> TlsResultKind:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return TlsResultKind.VALIDATION
    return _KINDS.get(error.verify_code, TlsResultKind.NOT_TRUSTED)


def _server_name(hop: Hop, tls: Tls) -> str:
    """Return the name for SNI and for the certificate; an address is only ever verified."""
    host = hop.target.host
    return host if tls.is_verified or (host != hop.address and "." in host) else ""


def _text(error: OSError | PeerError) -> str:
    return error.what if isinstance(error, PeerError) else _of_os_error(error)


def _of_os_error(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.lower()
    if isinstance(error, ssl.SSLError):
        return str(error.reason or "handshake failed").lower().replace("_", " ")
    return (error.strerror or type(error).__name__).lower()
