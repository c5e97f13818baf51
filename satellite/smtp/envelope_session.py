"""How does a session take the envelope of a message: MAIL, and RCPT again and again?

Touches one connection. What is decided is pure (``admission``, ``transaction``); here it is asked
in order, and why somebody is not taken is counted and logged.

Source: RFC 5321 sections 4.1.1.2 and 4.1.1.3.
"""

from __future__ import annotations

import functools

import structlog

from common.address import domain_of, fold
from common.envelope import Envelope
from common.preferences.policy import Unverified
from satellite.overload.pressure import Refusal, RefusalCause
from satellite.smtp import admission, replies
from satellite.smtp.giving_way import Worth
from satellite.smtp.greeting import GreetedConnection
from satellite.smtp.replies import Reply
from satellite.smtp.scan_before_answer import ClientGone
from satellite.smtp.sessions import Sessions
from satellite.smtp.transaction import MailTransaction, NamedRecipient

log = structlog.get_logger()

_PUT_OFF = {
    RefusalCause.GREYLIST: replies.GREYLISTED,
    RefusalCause.VOLUME: replies.TOO_MUCH_MAIL,
}


class EnvelopeSession(GreetedConnection):
    """A session with at most one transaction."""

    _read_address: admission.ReadsAddress | None = None  # of a sender; None: a mailbox, or empty

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self._transaction: MailTransaction | None = None

    @property
    def is_busy(self) -> bool:
        """True while a transaction is open or a message is being taken."""
        return self._transaction is not None or super().is_busy

    @property
    def worth(self) -> Worth:
        """What the client has done so far."""
        is_sending = self._transaction is not None and self._transaction.recipients
        return max(super().worth, Worth.RECIPIENTS if is_sending else Worth.NOTHING)

    def _forget_message(self) -> None:
        super()._forget_message()
        if self._transaction is not None:
            self._sessions.open_recipients -= len(self._transaction.recipients)
        self._transaction = None

    def _mail(self, argument: str) -> Reply | None:
        """Begin a transaction, if nothing speaks against it."""
        assert self.session is not None
        if not self.session.host_name:
            return replies.HELLO_FIRST
        if self._transaction is not None:
            return replies.NESTED_MAIL
        given = admission.sender(
            argument,
            extended=self.session.extended_smtp,
            message_bytes_max=self._sessions.settings.smtp.message_bytes_max,
            read_address=self._read_address,
        )
        if isinstance(given, Reply):
            return given
        refusal = self._sessions.why_not()
        if refusal is not None:
            return self._refused(refusal)
        return self._begin(given)

    def _begin(self, given: admission.AdmittedSender) -> Reply | None:
        """Begin a transaction; None: the answer comes later."""
        if given.unused:
            self._note_unused(given.unused)
        self._transaction = self._offered = MailTransaction(given)
        return replies.SENDER_OK

    def _note_unused(self, keywords: tuple[str, ...]) -> None:
        """Note DSN parameters that are taken for not given."""
        for keyword in keywords:
            self._sessions.metrics.unused_parameter(keyword)
            if self._sessions.may_tell(keyword):
                log.info("smtp.parameter_unused", client=self.client_address, parameter=keyword)

    def _refused(self, refusal: Refusal) -> Reply:
        sessions = self._sessions
        if sessions.may_tell(refusal.cause):
            reason, client = refusal.detail, self.client_address
            log.warning("smtp.not_accepting", client=client, cause=refusal.cause, reason=reason)
        sessions.metrics.refused(refusal.cause)
        return replies.refused(refusal)

    def _rcpt(self, argument: str) -> Reply | None:
        """Add a recipient. The same one twice is one."""
        transaction = self._transaction
        if transaction is None:
            return replies.MAIL_FIRST
        sessions = self._sessions
        found = admission.recipient(
            argument,
            extended=self.session is not None and self.session.extended_smtp,
            smtputf8=transaction.sender.smtputf8,
            preferences=sessions.intake.preferences,
            own=sessions.own,
            local_address=self._local_address,
        )
        if isinstance(found, Reply):
            return found
        if found.unused:
            self._note_unused(found.unused)
        address = str(found.address)
        if address in transaction.recipients:
            return replies.RECIPIENT_OK
        refusal = self._why_not(transaction, address)
        if refusal is not None:
            return refusal
        named = NamedRecipient(address, found.dsn, sessions.offered_for(address))
        return transaction.unfit(named) or self._take_unlisted(transaction, named)

    def _take_unlisted(self, transaction: MailTransaction, named: NamedRecipient) -> Reply | None:
        """Take a recipient unless its policy refuses the client for the lists that have it."""
        if not self._sessions.block_lists.is_wanted:  # as nearly everywhere
            return self._take_recipient(transaction, named)
        envelope = self._envelope_of(transaction, named)
        is_refused = self._sessions.block_lists.at_hand(envelope)
        if is_refused is None:
            self._await(functools.partial(self._look_up, transaction, named, envelope))
            return None
        return replies.ON_BLOCK_LIST if is_refused else self._take_recipient(transaction, named)

    def _envelope_of(self, transaction: MailTransaction, named: NamedRecipient) -> Envelope:
        assert self.session is not None
        return Envelope(
            client_address=self.client_address,
            helo=self.session.host_name or "",
            sender=transaction.sender.address,
            recipients=(named.address,),
        )

    async def _look_up(
        self, transaction: MailTransaction, named: NamedRecipient, envelope: Envelope
    ) -> None:
        is_refused = await self._sessions.block_lists.is_refused(envelope)
        if self._leaving:
            raise ClientGone("the client left while lists were asked about it")
        if is_refused:
            self._reply(replies.ON_BLOCK_LIST)
        elif self._has_to_ask(transaction, named):
            await self._verify(transaction, named)
        else:
            reply = self._take_recipient(transaction, named)
            assert reply is not None
            self._reply(reply)

    def _has_to_ask(self, transaction: MailTransaction, named: NamedRecipient) -> bool:
        is_to_verify = self._is_to_verify(transaction, named.address)
        return is_to_verify and self._sessions.verification.at_hand(named.address) is None

    def _take_recipient(self, transaction: MailTransaction, named: NamedRecipient) -> Reply | None:
        """Take a recipient, at once or when its server was asked."""
        if not self._is_to_verify(transaction, named.address):
            return self._add(transaction, named)
        is_known = self._sessions.verification.at_hand(named.address)
        if is_known is not None:
            return self._verified(transaction, named, is_known)
        self._await(functools.partial(self._verify, transaction, named))
        return None

    def _is_to_verify(self, transaction: MailTransaction, address: str) -> bool:
        """Say whether the customer's server is asked for a recipient.

        Never for mail without a sender: no DSN comes of it, and two gateways that ask each other
        would have no end.
        """
        route = self._sessions.intake.preferences.route(domain_of(address))
        if route is None or not route.probes_recipients or not transaction.sender.address:
            return False
        return not fold(address).startswith(f"{admission.POSTMASTER}@")

    async def _verify(self, transaction: MailTransaction, named: NamedRecipient) -> None:
        is_known = await self._sessions.verification.verify(named.address)
        if self._leaving:
            raise ClientGone("the client left while its recipient was verified")
        self._reply(self._verified(transaction, named, is_known))

    def _verified(
        self, transaction: MailTransaction, named: NamedRecipient, is_known: bool | None
    ) -> Reply:
        self._sessions.metrics.verified(is_known)
        if is_known is False:
            return replies.UNKNOWN_RECIPIENT
        policy = self._sessions.intake.preferences.policy(named.address)
        if is_known is None and policy.unverified is Unverified.DEFER:
            return replies.CANNOT_VERIFY_NOW
        return self._add(transaction, named)

    def _why_not(self, transaction: MailTransaction, address: str) -> Reply | None:
        """Return why a recipient of ours is not taken now, or None."""
        sessions = self._sessions
        if len(transaction.recipients) >= sessions.settings.smtp.recipients_max:
            return replies.TOO_MANY_RECIPIENTS
        refusal = sessions.why_no_recipient()
        if refusal is not None:
            self._refused(refusal)
            return replies.NO_ROOM
        if sessions.refuses_mail_for(address):
            sessions.metrics.refused(RefusalCause.HELD)
            return replies.NO_ROOM_FOR_HELD
        cause = sessions.puts_off(self.client_address, transaction.sender.address, address)
        if cause is not None:
            sessions.metrics.refused(cause)
            return _PUT_OFF[cause]
        return None

    def _add(self, transaction: MailTransaction, named: NamedRecipient) -> Reply:
        sessions = self._sessions
        transaction.add(named, preferences=sessions.intake.preferences)
        sessions.open_recipients += 1
        return replies.RECIPIENT_OK
