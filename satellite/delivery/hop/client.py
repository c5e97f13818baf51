"""How is one SMTP delivery transaction with a next hop done, from MAIL to the final dot?

Touches one session. The content is read in blocks and never held whole. Every recipient ends with
an ``RecipientResult``; what breaks is an answer too, and the session is then never used again.

Source: RFC 5321 sections 3.3 and 4.5.2, RFC 2033 section 4.2 (LMTP), RFC 2920 (pipelining),
RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 3461 section 5.2 (DSN), RFC 1047 (why
the reply to the dot is waited for so long).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from common.envelope import NO_DSN_PARAMETERS, DsnParameters, Return
from common.frozen import dataclass
from satellite.delivery.decisions.outcome import RecipientResult, Stage
from satellite.delivery.hop.session import Extensions, HopSession, SessionFailed
from satellite.delivery.hop.stuffing import Stuffing
from satellite.delivery.hop.wire import ConnectionEnded


class Content(Protocol):
    """The octets of a copy: our header lines and then the body."""

    @property
    def size(self) -> int:
        """Octets, before dots are doubled."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """Return the octets in order; an error of the reader passes through."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One transaction."""

    sender: str
    recipients: tuple[str, ...]
    content: Content
    eight_bit: bool  # it holds octets beyond ASCII
    needs_eight_bit: bool = False  # and then goes only where 8BITMIME is offered
    smtputf8: bool  # an address or a header field is internationalised
    returned: Return | None = None  # RET as the sender gave it
    envelope_id: str = ""  # ENVID as the sender gave it
    dsn_parameters: tuple[DsnParameters, ...] = ()  # one for each recipient, or none at all

    def dsn(self, number: int) -> DsnParameters:
        """Return what is asked for the recipient with this place."""
        return self.dsn_parameters[number] if self.dsn_parameters else NO_DSN_PARAMETERS


BeforeDot = Callable[[], Awaitable[bool]]
Breathe = Callable[[], Awaitable[None]]


def transact(
    session: HopSession, offer: Offer, *, before_dot: BeforeDot, breathe: Breathe
) -> Awaitable[list[RecipientResult]]:
    """Send one message and return what became of each recipient, in order, once it is awaited.

    Args:
        session: a usable one.
        offer: the message.
        before_dot: awaited when all but the last block and the final dot has left; False stops the
            transaction. After it the message may be delivered, whatever we learn of it.
        breathe: awaited before each further block: a large message is one of many.
    """
    session.transactions += 1
    finding = unfit(offer, session.extensions)
    if finding is not None:
        return _known([finding] * len(offer.recipients))
    return _Transaction(session, offer, before_dot, breathe).run()


async def _known(answers: list[RecipientResult]) -> list[RecipientResult]:
    return answers


async def finish(
    session: HopSession, offer: Offer, *, before_dot: BeforeDot, breathe: Breathe
) -> list[RecipientResult]:
    """Send the content of a transaction whose MAIL and RCPT the next hop has taken already.

    Args:
        session: with that transaction.
        offer: the message, with the recipients that were taken and no others.
        before_dot, breathe: as for ``transact``.
    """
    return await _Transaction(session, offer, before_dot, breathe).finish()


def unfit(offer: Offer, extensions: Extensions) -> RecipientResult | None:
    """Return why a message cannot go to this next hop at all, or None."""
    limit = extensions.size_bytes_max
    if limit and offer.content.size > limit:
        text = f"a message of {offer.content.size} octets; the next hop takes {limit}"
        return RecipientResult(stage=Stage.MAIL, finding=text, status="5.3.4")
    if offer.eight_bit and offer.needs_eight_bit and not extensions.eight_bit:
        text = "8-bit mail, which the next hop does not take, and the policy is eight_bit=refuse"
        return RecipientResult(stage=Stage.MAIL, finding=text, status="5.6.3")
    if offer.smtputf8 and not extensions.smtputf8:
        text = "internationalised mail, and the next hop does not take it"
        return RecipientResult(stage=Stage.MAIL, finding=text, status="5.6.7")
    return None


def mail_command(offer: Offer, extensions: Extensions) -> str:
    """Return MAIL with the parameters that are needed and offered.

    Mail beyond 7 bit goes out as it is when 8BITMIME is not offered, unless the policy says
    otherwise: re-encoding it would break its signatures, and servers that lack the extension have
    passed the octets on for decades.
    """
    words = [f"MAIL FROM:<{offer.sender}>"]
    if extensions.size:
        words.append(f"SIZE={offer.content.size}")
    if extensions.eight_bit and offer.eight_bit:
        words.append("BODY=8BITMIME")
    if offer.smtputf8:
        words.append("SMTPUTF8")
    if extensions.dsn and offer.returned is not None:
        words.append(f"RET={offer.returned}")
    if extensions.dsn and offer.envelope_id:
        words.append(f"ENVID={offer.envelope_id}")
    return " ".join(words)


def recipient_command(offer: Offer, number: int, extensions: Extensions) -> str:
    """Return RCPT for one recipient, with what its sender wants to hear if that is understood."""
    words = [f"RCPT TO:<{offer.recipients[number]}>"]
    dsn = offer.dsn(number)
    if extensions.dsn and dsn.notify:
        words.append(f"NOTIFY={','.join(sorted(dsn.notify, reverse=True))}")
    if extensions.dsn and dsn.original:
        words.append(f"ORCPT={dsn.original}")
    return " ".join(words)


class _Transaction:
    """The answers as they come."""

    def __init__(
        self, session: HopSession, offer: Offer, before_dot: BeforeDot, breathe: Breathe
    ) -> None:
        self._session = session
        self._offer = offer
        self._before_dot = before_dot
        self._breathe = breathe
        self._answers: list[RecipientResult | None] = [None] * len(offer.recipients)
        self._stage = Stage.MAIL
        self._accepted = 0  # recipients
        self._dot_has_left = False

    def run(self) -> Awaitable[list[RecipientResult]]:
        return self._answered(self._envelope)

    def finish(self) -> Awaitable[list[RecipientResult]]:
        return self._answered(self._data_alone)

    async def _data_alone(self) -> bool:
        """Say DATA behind an envelope that was taken."""
        self._stage, self._accepted = Stage.DATA, len(self._answers)
        self._session.say("DATA")
        return True

    async def _answered(self, begin: Callable[[], Awaitable[bool]]) -> list[RecipientResult]:
        try:
            if await begin() and await self._data():
                await self._dot()
            elif self._session.is_usable:
                await self._reset()
        except SessionFailed as error:
            # After the dot we cannot know: the next hop may have the message and its 250 be lost.
            self._answer_rest(
                RecipientResult(
                    stage=self._stage,
                    finding=f"{self._session.hop}: {error.what}",
                    status="4.4.2",
                    possibly_delivered=self._dot_has_left,
                )
            )
        except BaseException:  # cancelled too: what was begun is undone
            self._session.abort()
            raise
        return [answer for answer in self._answers if answer is not None]

    async def _envelope(self) -> bool:
        """Say MAIL and RCPT (and DATA when pipelining); return whether anybody is left."""
        session, offer = self._session, self._offer
        mail = mail_command(offer, session.extensions)
        recipients = [
            recipient_command(offer, number, session.extensions)
            for number in range(len(offer.recipients))
        ]
        if session.extensions.pipelining:
            session.say(mail, *recipients, "DATA")
        else:
            session.say(mail)
        reply = await session.reply(session.deadlines.reply_s)
        if reply.severity != 2:
            # What was pipelined behind it is refused too, but with 503, which says nothing. It is
            # read all the same: the session is in order, and ends or goes on as one that is.
            self._answer_rest(RecipientResult(stage=Stage.MAIL, reply=reply))
            if reply.code == 421 or not session.extensions.pipelining:
                return False
        self._stage = Stage.RCPT
        for number, command in enumerate(recipients):
            if not session.extensions.pipelining:
                session.say(command)
            reply = await session.reply(session.deadlines.reply_s)
            self._accepted += reply.severity == 2
            if reply.severity != 2 and self._answers[number] is None:
                self._answers[number] = RecipientResult(stage=Stage.RCPT, reply=reply)
            if reply.code == 421:
                self._answer_rest(RecipientResult(stage=Stage.RCPT, reply=reply))
                return False
        if session.extensions.pipelining:
            return True
        if None not in self._answers:
            return False
        session.say("DATA")
        return True

    async def _data(self) -> bool:
        """Hear what DATA is answered; return whether the content may follow."""
        session = self._session
        self._stage = Stage.DATA
        reply = await session.reply(session.deadlines.reply_s)
        if None not in self._answers:
            if reply.severity == 3:
                await self._end_for_nobody()
            return False
        if reply.code == 354:
            return True
        if reply.severity in (2, 3):
            raise session.broken(f"it answered DATA with {reply}")
        self._answer_rest(RecipientResult(stage=Stage.DATA, reply=reply))
        return False

    async def _end_for_nobody(self) -> None:
        """Answer a 354 that came though nobody is left: a lone dot, RFC 2920 section 3.1."""
        session = self._session
        # After it refused MAIL a dot might be taken for an empty message; LMTP has no answer to it.
        if self._accepted or session.is_lmtp:
            session.abort()
            return
        self._write_end(Stuffing().end())
        await session.reply(session.deadlines.dot_s)

    async def _dot(self) -> None:
        """Send the content and the final dot, and take the answer."""
        session = self._session
        stuffing = Stuffing()
        last = b""
        for block in self._offer.content.blocks():
            if last:
                await self._send(last)
                await self._breathe()
            if session.wire.has_unread:
                return await self._answered_early()
            last = stuffing.feed(block)
        if not await self._before_dot():
            raise session.broken("the sending mark could not be written")
        if session.wire.has_unread:
            return await self._answered_early()
        # Responsibility begins to change hands: once these octets have left, the next hop may have
        # the message. The sending mark is durable, so a crash from here on is seen by recovery.
        self._stage = Stage.DOT
        self._dot_has_left = True
        self._write_end(last + stuffing.end())
        if session.is_lmtp:
            return await self._answers_by_recipient()
        reply = await session.reply(session.deadlines.dot_s)
        if reply.severity == 3:
            raise session.broken(f"it answered the final dot with {reply}")
        # With a 250 the message is theirs (RFC 5321 section 6.1); with anything else still ours.
        self._answer_rest(RecipientResult(stage=Stage.DOT, reply=reply))
        return None

    async def _answers_by_recipient(self) -> None:
        """Take one answer for each recipient that was accepted, in their order: RFC 2033.

        Whose answer does not come is possibly delivered, and nobody else is.
        """
        session = self._session
        for number, known in enumerate(self._answers):
            if known is not None:
                continue
            reply = await session.reply(session.deadlines.dot_s)
            if reply.severity == 3:
                raise session.broken(f"it answered the final dot with {reply}")
            self._answers[number] = RecipientResult(stage=Stage.DOT, reply=reply)

    async def _send(self, block: bytes) -> None:
        wire, deadline_s = self._session.wire, self._session.deadlines.reply_s
        if wire.has_unread:
            return
        try:
            wire.write(block)
            async with asyncio.timeout(deadline_s):
                await wire.drain()
        except TimeoutError:
            raise self._session.broken(f"it took no data for {deadline_s:g} s") from None
        except ConnectionEnded as error:
            if not wire.has_unread:  # a refusal that came before the end counts
                raise self._session.broken(error.what) from None

    def _write_end(self, data: bytes) -> None:
        try:
            self._session.wire.write(data)
        except ConnectionEnded as error:
            raise self._session.broken(error.what) from None

    async def _answered_early(self) -> None:
        """The next hop spoke before the dot: a refusal counts, an acceptance is a lie."""
        reply = await self._session.reply(self._session.deadlines.reply_s)
        failure = self._session.broken(f"it said {reply} before the final dot")
        if reply.severity not in (4, 5):
            raise failure
        self._answer_rest(RecipientResult(stage=Stage.DATA, reply=reply))

    async def _reset(self) -> None:
        if (await self._session.command("RSET")).severity != 2:
            self._session.leave()

    def _answer_rest(self, answer: RecipientResult) -> None:
        self._answers = [answer if known is None else known for known in self._answers]
