"""How does a session go whose mail is scanned and passed to the next hop?

Touches one client's connection, through the front end, and one to the next hop. It differs from a
session of a node in what MAIL, RCPT and the end of the data do: each is said to the next hop, and
its reply is ours. No message is acknowledged before the next hop has acknowledged it, and while it
is scanned nothing of it has left: a client that goes away, a stop or a crash at any time leaves the
message with the client alone. Only from the final dot to the reply that follows may it be at both.

Who says LHLO speaks LMTP and gets a reply for each recipient, who says EHLO one for all of them:
then one that is to be refused has the message refused for all, and one that has to wait lets all of
them wait.

Source: RFC 5321 section 4.1, RFC 2033 section 4 (LMTP), Postfix's SMTPD_PROXY_README,
XFORWARD_README and XCLIENT_README.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import structlog

from common.envelope import Envelope
from common.errors import BorderScoutError
from common.strangers import outcome_of
from common.tasks import finish
from satellite.delivery.hop.copies import CopyContent
from satellite.delivery.hop.session import SessionFailed
from satellite.judging.disposition import Done
from satellite.next_hop import NextHopOffer
from satellite.scan_server import passed_back
from satellite.scan_server.examiner import Examiner, Treated, Treatment
from satellite.scan_server.forwarded_client import NOBODY, XCLIENT, XFORWARD, ForwardedClient, told
from satellite.scan_server.kept_mail import KeptMail
from satellite.scan_server.passage import NextServer, Parcel, Passage
from satellite.scan_server.passed_path import PassedRecipient, passed_path, passed_recipient
from satellite.scan_server.passing_log import PassingLog, Way
from satellite.smtp import admission, replies
from satellite.smtp.arrival import Arrival, ClientGone, trouble
from satellite.smtp.replies import Reply
from satellite.smtp.scan_before_answer import judged_in_time
from satellite.smtp.session import ANSWERS, Session
from satellite.smtp.sessions import Sessions
from satellite.smtp.timeouts import Phase
from satellite.smtp.transaction import MailTransaction, NamedRecipient
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Copy, Stored

log = structlog.get_logger()

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """What all sessions share.

    Args:
        examiner: says what is done with a message.
        server: the next hop.
        kept: where mail is kept that must not go on; None: it is refused.
        log: is told of each message.
        can_reject: the client's own client still waits for the answer.
        clients: who may use us.
        scan_s_max: how long a scan may take.
    """

    examiner: Examiner
    server: NextServer
    kept: KeptMail | None
    log: PassingLog
    can_reject: bool
    clients: tuple[Network, ...]
    scan_s_max: float

    def lets_in(self, address: str) -> bool:
        """Say whether a client may use us."""
        client = ipaddress.ip_address(address)
        return any(client in network for network in self.clients)


class PassingSession(Session):
    """One client whose mail is passed on.

    Args:
        sessions: what it shares with the others, as every session.
        passing: what it shares with those that pass mail on.
    """

    _read_address = staticmethod(passed_path)

    def __init__(self, sessions: Sessions, passing: Passing) -> None:
        super().__init__(sessions)
        self._passing = passing
        self._passage = Passage(passing.server)
        self._introduced = self._forwarded = NOBODY  # for the session, for the next transaction
        self._named: list[int] = []  # for each RCPT that was taken, which recipient it named

    # ---- who is there

    def _hello(self, argument: str, *, extended: bool) -> Reply:
        if not self._passing.lets_in(self.client_address):
            return passed_back.NOT_FOR_YOU
        self._is_lmtp = False
        reply = super()._hello(argument, extended=extended)
        return replace(reply, more=self._offers(reply.more)) if reply.more else reply

    def _lhlo(self, argument: str) -> Reply:
        reply = self._hello(argument, extended=True)
        self._is_lmtp = reply.code == 250
        return reply

    def _offers(self, ours: Sequence[str]) -> tuple[str, ...]:
        """Return what is offered: what the next hop does not take is not."""
        theirs = self._passing.server.offered
        offers = [f"XFORWARD {' '.join(XFORWARD)}", f"XCLIENT {' '.join(XCLIENT)}"]
        lacks = set()
        if theirs is not None:
            has = {"8BITMIME": theirs.eight_bit, "SMTPUTF8": theirs.smtputf8, "DSN": theirs.dsn}
            lacks = {keyword for keyword, is_there in has.items() if not is_there}
        return (*[one for one in ours if one not in lacks], *offers)

    def _xforward(self, argument: str) -> Reply:
        """Hear of the client of the next transaction."""
        found = self._told(self._forwarded, argument, XFORWARD)
        if isinstance(found, Reply):
            return found
        self._forwarded = found
        return passed_back.FORWARD_OK

    def _xclient(self, argument: str) -> Reply:
        """Hear of the client of the session, which begins anew with that."""
        found = self._told(self._introduced, argument, XCLIENT)
        if isinstance(found, Reply):
            return found
        self._introduced = found
        self._forget_message()
        assert self.session is not None
        self.session.host_name = None
        return replies.greeting(self.hostname)

    def _told(
        self, before: ForwardedClient, argument: str, names: tuple[str, ...]
    ) -> ForwardedClient | Reply:
        if not self._passing.lets_in(self.client_address):
            return passed_back.NOT_FOR_YOU
        if self._transaction is not None:
            return passed_back.NESTED
        return told(before, argument, names)

    # ---- the envelope

    def _forget_message(self) -> None:
        super()._forget_message()
        self._named, self._forwarded = [], self._introduced

    def _begin(self, given: admission.AdmittedSender) -> Reply | None:
        self._ask(functools.partial(self._begin_there, given))
        return None

    def _ask(self, step: Callable[[], Awaitable[Reply]]) -> None:
        """Answer what the next hop answers. The time is not the client's meanwhile."""
        self._timeouts.enter(Phase.SCANNING, now_s=self._now_s())
        self._await(functools.partial(self._asked, step))

    async def _asked(self, step: Callable[[], Awaitable[Reply]]) -> None:
        try:
            reply = await step()
        except SessionFailed:
            reply = passed_back.NEXT_HOP_AWAY
        if self._leaving:
            raise ClientGone("the client left while the next hop was asked")
        self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())
        self._reply(reply)

    async def _begin_there(self, given: admission.AdmittedSender) -> Reply:
        reply = passed_back.passed_back(await self._passage.begin(given, self._forwarded))
        if reply.code == 250 and not self._leaving:
            self._transaction = self._offered = MailTransaction(given)
        return reply

    def _rcpt(self, argument: str) -> Reply | None:
        transaction = self._transaction
        if transaction is None:
            return replies.MAIL_FIRST
        found = passed_recipient(
            argument,
            extended=self.session is not None and self.session.extended_smtp,
            smtputf8=transaction.sender.smtputf8,
        )
        if isinstance(found, Reply):
            return found
        if found.address in transaction.recipients:
            self._named.append(list(transaction.recipients).index(found.address))
            return replies.RECIPIENT_OK
        theirs = self._passage.extensions
        named = NamedRecipient(
            found.address,
            found.dsn,
            NextHopOffer(size_bytes_max=theirs.size_bytes_max, smtputf8=theirs.smtputf8),
        )
        refusal = self._why_not(transaction, found.address) or transaction.unfit(named)
        if refusal is not None:
            return refusal
        self._ask(functools.partial(self._name, transaction, named, found))
        return None

    async def _name(
        self, transaction: MailTransaction, named: NamedRecipient, found: PassedRecipient
    ) -> Reply:
        reply = passed_back.passed_back(await self._passage.recipient(found.address, found.dsn))
        if reply.code // 100 == 2 and not self._leaving:
            self._named.append(len(transaction.recipients))
            self._add(transaction, named)
        return reply

    # ---- the end of the data

    async def _settle(self, arrival: Arrival, budget_s: float | None) -> None:
        began_s = self._now_s()
        found = await outcome_of(self._given(arrival, began_s))
        arrival.abandon()
        if isinstance(found, ClientGone):
            raise found
        if isinstance(found, Exception):
            log.error("scan.failed", exc_info=found)
            found = [replies.INTERNAL_ERROR]
        if any(reply.code == 250 for reply in found):
            self.has_sent_mail = True
            self._timeouts.took_a_message(now_s=self._now_s())
            self._sessions.metrics.received(arrival.size)
        self._end_with(found)

    def _end_message(self, reply: Reply) -> None:
        self._end_with([reply])

    def _end_with(self, given: Sequence[Reply]) -> None:
        """Answer the end of a message; by LMTP as often as RCPT was, or who comes next is misled.

        Args:
            given: one for each recipient, or one for all.
        """
        named = self._named if self._is_lmtp else [0]
        answers = [given[number if len(given) > 1 else 0] for number in named]
        self._forget_message()
        self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())
        for reply in answers:
            if not self._leaving:
                self._reply(reply)

    async def _given(self, arrival: Arrival, began_s: float) -> list[Reply]:
        """Return the answer for all recipients, or one for each."""
        way = Way.LMTP if self._is_lmtp else Way.SMTP
        passing = self._passing
        try:
            stored, body = arrival.offered()
        except BorderScoutError as error:
            reply = trouble(error)
            passing.log.failed(way, str(reply.code))
            return [reply]
        with closing(body):
            stored = replace(stored, envelope=self._of_its_client(stored))
            examined = await judged_in_time(
                passing.examiner.examined(
                    stored, body, can_reject=passing.can_reject, is_one=not self._is_lmtp
                ),
                budget_s=passing.scan_s_max,
                gone=self.gone(),
                clock=self._sessions.clock,
            )
            if examined is None:
                passing.log.failed(way, str(passed_back.TOO_LONG_TO_SCAN.code))
                return [passed_back.TOO_LONG_TO_SCAN]
            self._timeouts.enter(Phase.COMMITTING, now_s=self._now_s())
            # From here on nobody cuts it short: the next hop may have it before we know.
            given = await finish(self._carried_out(stored, body, examined))
        ms = round((self._now_s() - began_s) * 1000)
        passing.log.passed(way, stored, examined, [str(one).rstrip() for one in given], ms=ms)
        return given

    def _of_its_client(self, stored: Stored) -> Envelope:
        """Return the envelope with the client that the mail server has the message from."""
        client, envelope = self._forwarded, stored.envelope
        if not client.address:
            return envelope
        return replace(envelope, client_address=client.address, helo=client.helo)

    async def _carried_out(self, stored: Stored, body: Body, examined: Treated) -> list[Reply]:
        treatments, kept_mail = examined.treatments, self._passing.kept
        given = [
            passed_back.of_treatment(treatment, stored.id, refuses_quarantine=kept_mail is None)
            for treatment in treatments
        ]
        refused = [reply for reply in given if reply is not None and reply.code >= 400]
        if refused and not self._is_lmtp:
            return [passed_back.the_worst(refused)]
        quarantined = [
            number
            for number, treatment in enumerate(treatments)
            if treatment.done is Done.QUARANTINE and kept_mail is not None
        ]
        kept = None
        if quarantined:
            assert kept_mail is not None
            try:
                # It is ours from here on: on the disk, before the sender may forget it.
                kept = await kept_mail.keep(stored, body, [treatments[one] for one in quarantined])
            except BorderScoutError as error:
                for number in quarantined:
                    given[number] = trouble(error)
                if not self._is_lmtp:
                    return [trouble(error)]
        await self._delivered(treatments, body, given)
        answers = [reply for reply in given if reply is not None]
        if self._is_lmtp:
            return answers
        reply = passed_back.the_worst(answers)
        if kept is not None and reply.code >= 400:
            kept.forget()  # its sender brings it again
        delivered = [
            r
            for r, treatment in zip(answers, treatments, strict=True)
            if treatment.done is Done.DELIVER
        ]
        return [reply if reply.code >= 400 or not delivered else delivered[0]]

    async def _delivered(
        self, treatments: Sequence[Treatment], body: Body, given: list[Reply | None]
    ) -> None:
        """Put the next hop's answer in each place where there is none."""
        groups: dict[Copy, list[int]] = {}
        for number, reply in enumerate(given):
            if reply is None:
                copy = treatments[number].copy
                assert copy is not None
                groups.setdefault(copy, []).append(number)
        parcels = [
            Parcel(numbers=tuple(numbers), content=CopyContent(copy, body))
            for copy, numbers in groups.items()
        ]
        results = await self._passage.deliver(
            parcels, may_go_on=lambda: not self._gone, is_one=not self._is_lmtp
        )
        for number, result in results.items():
            given[number] = passed_back.of_result(result)

    # ---- the end

    async def _handle_client(self) -> None:
        try:
            await super()._handle_client()
        finally:
            if self._gone:
                self._passage.leave()

    def connection_lost(self, error: Exception | None) -> None:
        """Leave nothing at the next hop, once nothing is awaited from it."""
        super().connection_lost(error)
        if self._step is None:
            self._passage.leave()


PassingSession._answers = {
    **ANSWERS,
    "LHLO": PassingSession._lhlo,
    "MAIL": PassingSession._mail,
    "RCPT": PassingSession._rcpt,
    "XFORWARD": PassingSession._xforward,
    "XCLIENT": PassingSession._xclient,
}
