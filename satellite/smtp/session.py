"""How does one client's conversation go?

Touches one connection and the intake. The decisions are made by the pure files beside this one;
here commands are read in order, answered, and a message is taken. Each ``smtp_`` method is one
command; EXPN, NOOP, RSET and half of STARTTLS are aiosmtpd's own.

Source: RFC 5321 section 4.1, RFC 2920 (PIPELINING), RFC 3207 (STARTTLS).
"""
# ruff: noqa: N802  aiosmtpd finds commands by these names

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiosmtpd.smtp import TLSSetupException

from common.envelope import NO_WISH, Envelope
from common.errors import BorderScoutError
from common.ids import MessageId
from common.tasks import outcome_of
from satellite.smtp import admission, replies
from satellite.smtp.arrival import Arrival, ClientGone, trouble
from satellite.smtp.commands import read_command
from satellite.smtp.connection import Connection
from satellite.smtp.data import DataLimits
from satellite.smtp.metrics import OTHER_VERB
from satellite.smtp.patience import Phase
from satellite.smtp.pressure import Cause, Refusal
from satellite.smtp.reception import Reception
from satellite.smtp.replies import Reply
from satellite.spool.messages import Judgement

log = structlog.get_logger()


@dataclass(slots=True)
class Transaction:
    """One message's envelope as it grows."""

    sender: admission.Sender
    # folded → as it came first
    recipients: dict[str, admission.Recipient] = field(default_factory=dict)


class Session(Connection):
    """One client, from greeting to goodbye."""

    def __init__(self, reception: Reception) -> None:
        super().__init__(reception)
        self._transaction: Transaction | None = None
        self._commands = 0

    @property
    def is_busy(self) -> bool:
        """True while a transaction is open or a message is being taken."""
        return self._transaction is not None or super().is_busy

    def _set_post_data_state(self) -> None:
        self.envelope = None
        self._transaction = None

    async def _handle_client(self) -> None:
        try:
            await self.push(replies.greeting(self.hostname))
            while not self._leaving:
                line = await self._next_line()
                if line is None:
                    return
                await self._answer(line)
                self._patience.enter(Phase.COMMAND, now_s=self._now_s())
                if self._reception.draining and self._transaction is None and not self._leaving:
                    await self.push(replies.SHUTTING_DOWN)
        except ClientGone:
            log.debug("smtp.client_gone", client=self._client_address)
        finally:
            self._hang_up()

    async def _next_line(self) -> bytes | Reply | None:
        while True:
            line = self._lines.next_line()
            if line is not None:
                return line
            block = await self._read()
            if not block or self._leaving:
                return None
            self._lines.feed(block)

    async def _answer(self, line: bytes | Reply) -> None:
        self._verb = OTHER_VERB
        self._commands += 1
        if self._commands > self._reception.settings.smtp.commands_max:
            await self.push(replies.TOO_MANY_COMMANDS)
            return
        command = read_command(line) if isinstance(line, bytes) else line
        if isinstance(command, Reply):
            await self.push(command)
            return
        if command.verb not in _VERBS:
            await self.push(replies.UNRECOGNISED)
            return
        self._verb = command.verb
        extended = self.session is not None and self.session.extended_smtp
        if self._lines.waiting and not admission.may_have_followers(
            command.verb, extended=extended
        ):
            await self.push(replies.UNAUTHORISED_PIPELINING)
            return
        method = getattr(self, f"smtp_{command.verb}")
        failure = await outcome_of(method(command.argument))
        if isinstance(failure, ClientGone):
            raise failure
        if isinstance(failure, Exception):
            log.error("smtp.command_failed", command=command.verb, exc_info=failure)
            await self._apologise()

    async def _apologise(self) -> None:
        """Answer for a defect of ours. In the middle of data the place is lost: hang up, then."""
        in_data = self._patience.phase is Phase.DATA
        self._set_post_data_state()
        await self.push(replies.INTERNAL_ERROR)
        self._leaving = self._leaving or in_data

    async def smtp_HELO(self, hostname: str) -> None:
        """Begin a session without extensions."""
        await self._hello(hostname, extended=False)

    async def smtp_EHLO(self, hostname: str) -> None:
        """Begin a session with extensions."""
        await self._hello(hostname, extended=True)

    async def _hello(self, argument: str, *, extended: bool) -> None:
        name = admission.hello_name(argument)
        if name is None:
            await self.push(replies.BAD_ARGUMENT)
            return
        self._set_post_data_state()
        assert self.session is not None
        self.session.extended_smtp = extended
        self.session.host_name = name
        if not extended:
            await self.push(replies.hello(self.hostname))
            return
        await self.push(
            replies.capabilities(
                self.hostname,
                message_bytes_max=self._reception.settings.smtp.message_bytes_max,
                offers_tls=self.tls_context is not None and self._tls_protocol is None,
            )
        )

    async def smtp_STARTTLS(self, arg: str) -> None:
        """Go on inside TLS."""
        if self._tls_protocol is not None:
            await self.push(replies.TLS_ACTIVE)
            return
        if self.tls_context is None:
            await self.push(replies.TLS_UNAVAILABLE)
            return
        if not arg:
            self._patience.enter(Phase.HANDSHAKE, now_s=self._now_s())
        try:
            await super().smtp_STARTTLS(arg)
        except TLSSetupException as error:
            log.info("smtp.tls_failed", client=self._client_address, cause=str(error.__cause__))
        if not arg and (self.session is None or self.session.ssl is None):
            # asyncio tells the layer above TLS nothing of a handshake that did not end well.
            self.abort()
            self.connection_lost(None)
            raise ClientGone("TLS was not agreed on")

    async def smtp_MAIL(self, arg: str | None) -> None:
        """Begin a transaction."""
        assert self.session is not None
        if not self.session.host_name:
            await self.push(replies.HELLO_FIRST)
            return
        if self._transaction is not None:
            await self.push(replies.NESTED_MAIL)
            return
        given = admission.sender(
            arg or "",
            extended=self.session.extended_smtp,
            message_bytes_max=self._reception.settings.smtp.message_bytes_max,
        )
        if isinstance(given, Reply):
            await self.push(given)
            return
        refusal = self._reception.why_not()
        if refusal is not None:
            await self._refuse(refusal)
            return
        self._transaction = Transaction(given)
        await self.push(replies.SENDER_OK)

    async def _refuse(self, refusal: Refusal) -> None:
        reception = self._reception
        if reception.may_tell(refusal.cause):
            reason, client = refusal.detail, self._client_address
            log.warning("smtp.not_accepting", client=client, cause=refusal.cause, reason=reason)
        reception.metrics.refused(refusal.cause)
        await self.push(replies.refused(refusal))

    async def smtp_RCPT(self, arg: str | None) -> None:
        """Add a recipient. The same one twice is one."""
        transaction = self._transaction
        if transaction is None:
            await self.push(replies.MAIL_FIRST)
            return
        reception = self._reception
        found = admission.recipient(
            arg or "",
            extended=self.session is not None and self.session.extended_smtp,
            smtputf8=transaction.sender.smtputf8,
            preferences=reception.intake.preferences,
            mail_domain=reception.settings.mail_domain,
        )
        if isinstance(found, Reply):
            await self.push(found)
            return
        folded = found.address.folded
        if folded not in transaction.recipients:
            if len(transaction.recipients) >= reception.settings.smtp.recipients_max:
                await self.push(replies.TOO_MANY_RECIPIENTS)
                return
            if reception.refuses_mail_for(folded):
                reception.metrics.refused(Cause.HELD)
                await self.push(replies.NO_ROOM_FOR_HELD)
                return
            transaction.recipients[folded] = found
        await self.push(replies.RECIPIENT_OK)

    async def smtp_DATA(self, arg: str) -> None:
        """Take the message."""
        transaction = self._transaction
        if arg:
            await self.push(replies.BAD_ARGUMENT)
        elif transaction is None:
            await self.push(replies.MAIL_FIRST)
        elif not transaction.recipients:
            await self.push(replies.RECIPIENT_FIRST)
        else:
            await self._take_message(transaction)

    async def _take_message(self, transaction: Transaction) -> None:
        smtp = self._reception.settings.smtp
        await self._reception.turnstile.turn(self._now_s())
        try:
            arrival = Arrival(
                self._reception.intake.begin(),
                DataLimits(
                    message_bytes_max=smtp.message_bytes_max, line_bytes_max=smtp.line_bytes_max
                ),
            )
        except (BorderScoutError, OSError) as error:
            self._set_post_data_state()
            await self.push(trouble(error))
            return
        try:
            reply = await self._converse(arrival, transaction)
        except BaseException:
            arrival.abandon()
            raise
        self._set_post_data_state()
        self._patience.enter(Phase.COMMAND, now_s=self._now_s())
        await self.push(reply)

    async def _converse(self, arrival: Arrival, transaction: Transaction) -> Reply:
        assert self.session is not None
        self._patience.enter(Phase.DATA, now_s=self._now_s())
        await self.push(replies.SEND_DATA)
        refusal = await arrival.receive(self._data_block)
        if arrival.rest and not self.session.extended_smtp:
            return replies.UNAUTHORISED_PIPELINING  # it was never agreed on
        self._lines.feed(arrival.rest)
        if refusal is not None:
            return refusal
        arrival.address(
            self._envelope(transaction),
            hostname=self.hostname,
            extended=self.session.extended_smtp,
            now_us=self._reception.clock.now_us(),
        )
        judgement = await self._foreseen(arrival, tuple(transaction.recipients))
        self._patience.enter(Phase.COMMITTING, now_s=self._now_s())
        return await arrival.settle(judgement, committed=self._committed)

    async def _foreseen(self, arrival: Arrival, recipients: Sequence[str]) -> Judgement | None:
        reception = self._reception
        budget_s = reception.foresight.budget_s(recipients)
        if budget_s is None:
            return None
        self._patience.enter(Phase.SCANNING, now_s=self._now_s())
        return await arrival.foresee(
            reception.foresight, budget_s=budget_s, gone=self.gone(), clock=reception.clock
        )

    async def _data_block(self) -> bytes:
        block = await self._read()
        if not block or self._leaving:
            raise ClientGone("the client left in the middle of its message")
        self._patience.received(len(block))
        return block

    def _envelope(self, transaction: Transaction) -> Envelope:
        assert self.session is not None
        sender, recipients = transaction.sender, transaction.recipients.values()
        has_wishes = any(recipient.wish is not NO_WISH for recipient in recipients)
        return Envelope(
            client_address=self._client_address,
            helo=self.session.host_name or "",
            sender=sender.address,
            recipients=tuple(str(recipient.address) for recipient in recipients),
            smtputf8=sender.smtputf8,
            eight_bit=sender.eight_bit,
            tls=self._tls(),
            wishes=tuple(recipient.wish for recipient in recipients) if has_wishes else (),
            returned=sender.wish.returned,
            envelope_id=sender.wish.envelope_id,
        )

    def _committed(self, message: MessageId, octets: int) -> None:
        self._reception.metrics.received(octets)
        # In a turn of its own: whatever befalls the listener, this message was accepted.
        self.loop.call_soon(self._reception.on_accepted, message)

    def _tls(self) -> str:
        details: dict[str, Any] | None = self.session.ssl if self.session else None
        if not details:
            return ""
        version = details["ssl_object"].version()
        return f"{version} {details['cipher'][0]}"

    async def smtp_AUTH(self, arg: str) -> None:
        """Refuse: nobody logs in here."""
        await self.push(replies.NOT_IMPLEMENTED)

    async def smtp_HELP(self, arg: str) -> None:
        """Say who we are, not what we understand."""
        await self.push(replies.HELP)

    async def smtp_VRFY(self, arg: str) -> None:
        """Give the same answer for every mailbox."""
        await self.push(replies.CANNOT_VERIFY)

    async def smtp_QUIT(self, arg: str) -> None:
        """End the session."""
        await self.push(replies.BAD_ARGUMENT if arg else replies.GOODBYE)


def _verbs(of: type) -> frozenset[str]:
    prefix = "smtp_"
    return frozenset(name.removeprefix(prefix) for name in dir(of) if name.startswith(prefix))


# Found once, not for each connection.
_VERBS = _verbs(Session)
