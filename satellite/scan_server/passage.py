"""How does one client's mail reach the next hop, command by command?

Touches one connection. Each command of the client is said to the next hop and its reply is the
client's, so that whoever is behind us decides as if nobody stood between. MAIL and RCPT go as they
come; the content follows when it has been scanned. Where all recipients get the same copy the
transaction simply goes on; where they differ, or the next hop has closed the connection while we
scanned, it is begun anew, once for each copy.

Nothing is kept: whatever breaks is an answer with 4xx, and the client has the message still.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import structlog

from common.envelope import DsnParameters
from common.frozen import dataclass
from common.preferences.deliver_to import Target
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.outcome import Ending, RecipientResult, Stage
from satellite.delivery.decisions.reply import HopReply
from satellite.delivery.hop.client import (
    Offer,
    finish,
    mail_command,
    recipient_command,
    transact,
)
from satellite.delivery.hop.copies import CopyContent
from satellite.delivery.hop.protection import Protection
from satellite.delivery.hop.session import (
    Deadlines,
    Extensions,
    Hop,
    HopFailed,
    HopSession,
    SessionFailed,
    open_session,
)
from satellite.names.names import system_names
from satellite.scan_server.forwarded_client import NOBODY, ForwardedClient
from satellite.smtp.admission import AdmittedSender

log = structlog.get_logger()

CONNECT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One copy, and whom it is for.

    Args:
        numbers: places among the recipients that the next hop has taken.
        content: the copy.
    """

    numbers: tuple[int, ...]
    content: CopyContent


class NextServer:
    """The one server that all mail goes to.

    Args:
        target: which.
        hostname: our name.
        timeout_s: for each reply.

    Attributes:
        offered: what it offered last; None: nobody has asked it yet.
    """

    def __init__(self, target: Target, *, hostname: str, timeout_s: float) -> None:
        self._target = target
        self._hostname = hostname
        self._deadlines = Deadlines(
            connect_s=min(CONNECT_S, timeout_s), reply_s=timeout_s, dot_s=2 * timeout_s
        )
        self._protection = Protection()
        self.offered: Extensions | None = None
        self.is_away = False

    async def session(self) -> HopSession:
        """Return a session with it.

        Raises:
            SessionFailed: there is none to be had.
        """
        failure = "its name leads to no address"
        for address in (await system_names().addresses(self._target.host)).records:
            hop = Hop(self._target, address)
            # Within this machine there is nobody to be protected from.
            is_here = ipaddress.ip_address(address).is_loopback
            tls = None if is_here else self._protection.tls(TlsPolicy.OPPORTUNISTIC)
            try:
                session = await open_session(
                    hop, hostname=self._hostname, deadlines=self._deadlines, tls=tls
                )
            except HopFailed as error:
                failure = error.what
                continue
            self.offered = session.extensions
            self._note(is_away=False, reason="")
            return session
        self._note(is_away=True, reason=failure)
        raise SessionFailed(failure)

    async def look(self) -> None:
        """Ask what it offers, before the first client wants to know."""
        try:
            session = await self.session()
        except SessionFailed:
            return  # which was said
        await session.quit()

    def _note(self, *, is_away: bool, reason: str) -> None:
        if is_away is not self.is_away:
            log.warning("scan.next_hop", server=str(self._target), away=is_away, reason=reason)
        self.is_away = is_away


class Passage:
    """The transactions of one client with the next hop.

    Args:
        server: the next hop.
    """

    def __init__(self, server: NextServer) -> None:
        self._server = server
        self._session: HopSession | None = None
        self._is_open = False  # the next hop has a transaction of ours
        self._sender = AdmittedSender(address="")
        self._client = NOBODY
        self._taken: list[tuple[str, DsnParameters]] = []

    @property
    def taken(self) -> int:
        """How many recipients the next hop has taken."""
        return len(self._taken)

    @property
    def extensions(self) -> Extensions:
        """What the next hop offers."""
        return self._session.extensions if self._session is not None else Extensions()

    async def begin(self, sender: AdmittedSender, client: ForwardedClient) -> HopReply:
        """Begin a transaction; return the reply to MAIL.

        Args:
            sender: what MAIL said.
            client: whom the mail server has it from.

        Raises:
            SessionFailed: the next hop does not answer.
        """
        self._sender, self._client, self._taken = sender, client, []
        session = await self._ready()
        extensions = session.extensions
        if not sender.declared_bytes:
            extensions = replace(extensions, size=False)
        command = mail_command(self._offer((), _Declared(sender.declared_bytes)), extensions)
        self._is_open = True
        return await session.command(command)

    async def recipient(self, address: str, dsn: DsnParameters) -> HopReply:
        """Name a recipient; return the reply.

        Raises:
            SessionFailed: the next hop does not answer.
        """
        if self._session is None:
            raise SessionFailed("the connection was lost")
        offer = self._offer([(address, dsn)], _Declared(0))
        reply = await self._session.command(recipient_command(offer, 0, self._session.extensions))
        if reply.severity == 2:
            self._taken.append((address, dsn))
        return reply

    async def deliver(
        self, parcels: Sequence[Parcel], *, may_go_on: Callable[[], bool], is_one: bool
    ) -> dict[int, RecipientResult]:
        """Deliver copies; return an answer for each recipient.

        Args:
            parcels: what goes to whom.
            may_go_on: asked before each final dot: whether the client is still there.
            is_one: all recipients get one answer: once a copy was not taken the others do not go.
        """
        answers: dict[int, RecipientResult] = {}
        failed: RecipientResult | None = None
        for parcel in parcels:
            if failed is not None:
                answers.update(dict.fromkeys(parcel.numbers, failed))
                continue
            found = await self._deliver_one(parcel, may_go_on)
            answers.update(zip(parcel.numbers, found, strict=True))
            if is_one:
                failed = next((one for one in found if one.ending is not Ending.DELIVERED), None)
        return answers

    async def _deliver_one(
        self, parcel: Parcel, may_go_on: Callable[[], bool]
    ) -> list[RecipientResult]:
        await parcel.content.look()
        offer = self._offer([self._taken[number] for number in parcel.numbers], parcel.content)

        async def before_dot() -> bool:
            return may_go_on()

        goes_on = self._is_open and len(parcel.numbers) == len(self._taken)
        session = self._session
        if goes_on and session is not None and session.is_usable:
            self._is_open = False
            return await finish(session, offer, before_dot=before_dot, breathe=_breathe)
        try:
            session = await self._ready()
        except SessionFailed as error:
            failed = RecipientResult(stage=Stage.CONNECT, finding=error.what, status="4.4.1")
            return [failed] * len(parcel.numbers)
        return await transact(session, offer, before_dot=before_dot, breathe=_breathe)

    def _offer(
        self, recipients: Sequence[tuple[str, DsnParameters]], content: CopyContent | _Declared
    ) -> Offer:
        sender = self._sender
        is_wide = isinstance(content, CopyContent) and content.is_eight_bit
        return Offer(
            sender=sender.address,
            recipients=tuple(address for address, _ in recipients),
            content=content,
            eight_bit=sender.eight_bit or is_wide,
            smtputf8=sender.smtputf8 and (self.extensions.smtputf8 or not self._is_ascii()),
            returned=sender.dsn.returned,
            envelope_id=sender.dsn.envelope_id,
            dsn_parameters=tuple(dsn for _, dsn in recipients),
        )

    def _is_ascii(self) -> bool:
        return self._sender.address.isascii() and all(a.isascii() for a, _ in self._taken)

    async def _ready(self) -> HopSession:
        """Return a session without a transaction, the one that is there or another one.

        Raises:
            SessionFailed: there is none to be had.
        """
        if self._session is not None:
            try:
                if self._session.is_usable and await self._is_reset(self._session):
                    return await self._introduced(self._session)
            except SessionFailed:
                pass  # an idle one, that the next hop has closed
            self.leave()
        self._session = await self._server.session()
        return await self._introduced(self._session)

    async def _is_reset(self, session: HopSession) -> bool:
        if not self._is_open:
            return True
        self._is_open = False
        return (await session.command("RSET")).severity == 2

    async def _introduced(self, session: HopSession) -> HopSession:
        """Tell the next hop whose mail comes, if it wants to know."""
        if session.extensions.xforward:
            for command in self._client.commands():
                await session.command(command)  # who refuses it does without
        return session

    def leave(self) -> None:
        """End the session; what was begun in it is undone."""
        if self._session is not None:
            self._session.leave()
        self._session, self._is_open = None, False


class _Declared:
    """Content that has not come yet, by the size that its sender declared."""

    def __init__(self, size: int) -> None:
        self.size = size

    def blocks(self) -> Iterator[bytes]:
        raise AssertionError("only its size is known")


async def _breathe() -> None:
    """Let others go on between the blocks of a large message."""
    await asyncio.sleep(0)
