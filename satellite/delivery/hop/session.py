"""How is an SMTP session with a next hop opened, kept and ended?

Touches one connection through ``Wire``. A session is opened once and used for many transactions;
what goes wrong before MAIL is the host's affair and never a recipient's.

Source: RFC 5321 sections 4.1.1.1 (EHLO, HELO) and 4.5.3.2 (deadlines), RFC 3207 (STARTTLS),
RFC 1870, RFC 2920, RFC 3461, RFC 6152, RFC 6531.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Self, assert_never

from common.errors import PeerError
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.reply import BadReply, HopReply, ReplyLines, reply_of
from satellite.delivery.decisions.routing import Target
from satellite.delivery.hop.protection import STATUS_NOT_OFFERED, STATUS_TLS_FAILED, Tls
from satellite.delivery.hop.wire import ConnectionEnded, Wire

QUIT_S = 2.0  # politeness has a limit


@dataclass(frozen=True, slots=True)
class Hop:
    """One address of one host of a destination."""

    target: Target
    address: str

    def __str__(self) -> str:
        return str(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """How long the next hop may take, in seconds."""

    connect_s: float
    reply_s: float  # for each reply, and for each block that it must take
    dot_s: float

    def within(self, connect_s: float) -> Deadlines:
        """Return deadlines for one who is only asked whether it is there."""
        return Deadlines(
            connect_s=min(self.connect_s, connect_s),
            reply_s=min(self.reply_s, connect_s),
            dot_s=self.dot_s,
        )


class HopFailed(PeerError):
    """A host could not be talked to, or did not want to talk."""

    def __init__(self, hop: Hop, what: str, *, tls_status: str = "") -> None:
        super().__init__(f"{hop}: {what}")
        self.tls_status = tls_status  # the enhanced status code when TLS was the reason


class SessionFailed(PeerError):
    """A session broke: no reply in time, none that is one, or no connection."""


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
        self.tls = ""  # protocol and cipher; empty: in the clear
        self.is_verified = False  # the host has proved to be the one that was asked for
        self.tls_problem = ""  # why it is in the clear although TLS was offered
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
            raise self.broken(f"no reply within {deadline_s:g} s") from None
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

    def broken(self, what: str) -> SessionFailed:
        """End the session and return the error that says why."""
        self.abort()
        return SessionFailed(what)


async def open_session(
    hop: Hop, *, hostname: str, deadlines: Deadlines, tls: Tls | None
) -> HopSession:
    """Connect, greet, and go over to TLS when it is offered or has to be.

    Args:
        hop: where to.
        hostname: our name.
        deadlines: how long it may take.
        tls: for STARTTLS; None: stay in the clear.

    Raises:
        HopFailed: anything that keeps us from saying MAIL; with ``tls_status`` when TLS was the
            reason.
    """
    try:
        async with asyncio.timeout(deadlines.connect_s):
            wire = await Wire.connect(hop.address, hop.target.port)
    except TimeoutError:
        raise HopFailed(hop, f"no connection within {deadlines.connect_s:g} s") from None
    except OSError as error:
        raise HopFailed(hop, _of_os_error(error)) from None
    session = HopSession(wire, hop, deadlines)
    try:
        await _greet(session, hostname)
        if tls is not None and session.extensions.starttls:
            await _secure(session, hostname, tls)
        elif tls is not None and tls.is_required:
            what = f"it offers no STARTTLS, and the policy is tls={tls.policy}"
            raise HopFailed(hop, what, tls_status=STATUS_NOT_OFFERED)
    except SessionFailed as error:
        raise HopFailed(hop, error.what) from None
    except BaseException:  # cancelled too: what was begun is undone
        session.abort()
        raise
    return session


async def _greet(session: HopSession, hostname: str) -> None:
    greeting = await session.reply(session.deadlines.reply_s)
    if greeting.code != 220:
        session.abort()
        raise HopFailed(session.hop, f"it greeted with {greeting}")
    await _hello(session, hostname)


async def _hello(session: HopSession, hostname: str) -> None:
    reply = await session.command(f"EHLO {hostname}")
    if reply.severity == 2:
        session.extensions = Extensions.of(reply)
        return
    if reply.severity == 5 and not session.tls:
        reply = await session.command(f"HELO {hostname}")
    if reply.severity != 2:
        session.abort()
        raise HopFailed(session.hop, f"it answered our hello with {reply}")


async def _secure(session: HopSession, hostname: str, tls: Tls) -> None:
    reply = await session.command("STARTTLS")
    if reply.code != 220:
        raise _tls_failed(session, f"it answered STARTTLS with {reply}")
    name = _server_name(session.hop, tls)
    try:
        async with asyncio.timeout(session.deadlines.connect_s):
            session.tls = await session.wire.start_tls(tls.context, name=name)
        session.is_verified = tls.is_verified
        session.extensions = Extensions()  # what was said in the clear does not count
        await _hello(session, hostname)
    except TimeoutError:
        raise _tls_failed(session, "the TLS handshake took too long") from None
    except (OSError, ConnectionEnded, SessionFailed) as error:
        raise _tls_failed(session, f"TLS failed: {_text(error)}") from None


def _tls_failed(session: HopSession, what: str) -> HopFailed:
    session.abort()
    return HopFailed(session.hop, what, tls_status=STATUS_TLS_FAILED)


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
