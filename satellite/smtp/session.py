"""How does one client's SMTP session go, from the greeting to QUIT?

Touches one connection and the intake. The decisions are made by the pure files beside this one;
here commands are read in order, answered, and a message is taken. EXPN, NOOP, RSET and half of
STARTTLS are aiosmtpd's own.

Theory of operation. All that can be answered at once is, in the call that brought it. Four things
are awaited, by a task (``_await``): a turn while there is too much to scan, TLS, a scan before the
answer, and the commit. Until ``_go_on`` nothing else is answered (``_is_waiting``); what comes is
kept, and when that is much, the client is not read from. A session is in one ``Phase``:

==========  ===========================  =========================================================
phase       what is awaited              it ends
==========  ===========================  =========================================================
COMMAND     a command; our turn          STARTTLS: HANDSHAKE; 354: DATA
HANDSHAKE   TLS                          COMMAND, with all forgotten that was said before; or cut
DATA        message data                 refused at its end: COMMAND; else SCANNING or COMMITTING
SCANNING    judging, within its budget   COMMITTING; the client has left: nothing is taken
COMMITTING  the spool                    COMMAND, with the reply to the final dot
CLOSING     our last reply to leave      the connection is closed; cut, if that takes too long
==========  ===========================  =========================================================

A last word of ours and ``dismiss`` lead from each but COMMITTING to CLOSING. How near the end is:
``_has_ended`` (no more will come; it is still answered), ``_leaving`` (we said the last word; what
comes is thrown away), ``_gone`` (there is no connection).

After each step: replies leave in the order of the commands, and before a wait begins; there is an
``_arrival`` from 354 to the reply to the final dot. A commit that has begun is ended by nobody (no
timer, drain or lost connection); a connection lost before it leaves nothing of its message.

Source: RFC 5321 section 4.1, RFC 2920 (PIPELINING), RFC 3207 (STARTTLS).
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from aiosmtpd.smtp import TLSSetupException

from common.errors import BorderScoutError
from common.tasks import outcome_of, outcome_of_call
from satellite.overload.pressure import Refusal, RefusalCause
from satellite.smtp import admission, replies
from satellite.smtp.arrival import Arrival, ClientGone, trouble
from satellite.smtp.commands import read_command
from satellite.smtp.connection import GROUP_BYTES_MAX, Connection
from satellite.smtp.data import DataLimits
from satellite.smtp.metrics import OTHER_VERB
from satellite.smtp.replies import Reply
from satellite.smtp.sessions import Sessions
from satellite.smtp.timeouts import Phase
from satellite.smtp.transaction import MailTransaction

log = structlog.get_logger()


class Session(Connection):
    """One client, from greeting to goodbye."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self._transaction: MailTransaction | None = None
        self._arrival: Arrival | None = None  # from 354 to the reply to the final dot
        self._commands = 0

    @property
    def is_busy(self) -> bool:
        """True while a transaction is open or a message is being taken."""
        return self._transaction is not None or super().is_busy

    def _forget_message(self) -> None:
        super()._forget_message()
        self._transaction = None
        self._arrival = None

    def _take(self, block: bytes) -> None:
        if self._arrival is None or self._is_waiting:
            self._lines.feed(block)
        else:
            self._take_data(self._arrival, block)

    def _answer_waiting(self) -> None:
        answered = False
        while not (self._leaving or self._is_waiting):
            if self._arrival is not None:  # while it waited for its turn, data may have come
                block = self._lines.take()
                if not block:
                    break
                self._take_data(self._arrival, block)
                continue
            if self._is_held_up:
                break
            if len(self._out) > GROUP_BYTES_MAX:
                self._go_on_later()  # a long group must not keep the others waiting
                break
            line = self._lines.next_line()
            if line is None:
                break
            self._answer(line)
            answered = True
            if not self._is_waiting:
                self._part_if_draining()
        if answered and self._timeouts.phase is Phase.COMMAND:
            self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())

    def _part_if_draining(self) -> None:
        if self._sessions.draining and self._transaction is None and not self._leaving:
            self._reply(replies.SHUTTING_DOWN)

    def _answer(self, line: bytes | Reply) -> None:
        self._verb = OTHER_VERB
        self._commands += 1
        if self._commands > self._sessions.settings.smtp.commands_max:
            self._reply(replies.TOO_MANY_COMMANDS)
            return
        command = read_command(line) if isinstance(line, bytes) else line
        if isinstance(command, Reply):
            self._reply(command)
            return
        answer = _ANSWERS.get(command.verb)
        if answer is None:
            self._reply(replies.UNRECOGNISED)
            return
        self._verb = command.verb
        extended = self.session is not None and self.session.extended_smtp
        if self._lines.waiting and not admission.may_have_followers(
            command.verb, extended=extended
        ):
            self._reply(replies.UNAUTHORISED_PIPELINING)
            return
        reply = outcome_of_call(answer, self, command.argument)
        if isinstance(reply, Exception):
            self._apologise(reply)
        elif reply is not None:
            self._reply(reply)

    async def _handle_client(self) -> None:
        """Take the one step that must be awaited, then go on."""
        assert self._step is not None
        try:
            failure = await outcome_of(self._step())
        except asyncio.CancelledError:
            self._drop_message()
            self._hang_up()
            raise
        if isinstance(failure, ClientGone):
            log.debug("smtp.client_gone", client=self._client_address)
            self._drop_message()
            self._hang_up()
        elif isinstance(failure, Exception):
            self._apologise(failure)
        self._part_if_draining()
        self._go_on()

    def _apologise(self, failure: Exception) -> None:
        """Answer for a defect of ours. In the middle of data the place is lost: hang up, then."""
        log.error("smtp.command_failed", command=self._verb, exc_info=failure)
        in_data = self._timeouts.phase is Phase.DATA
        self._drop_message()
        self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())
        self._reply(replies.INTERNAL_ERROR)
        self._leaving = self._leaving or in_data

    def _drop_message(self) -> None:
        if self._arrival is not None:
            self._arrival.abandon()
        self._forget_message()

    def connection_lost(self, error: Exception | None) -> None:
        """Leave nothing of a message that was not all there; what is being committed goes on."""
        super().connection_lost(error)
        if not self._is_waiting:
            self._drop_message()

    def _helo(self, argument: str) -> Reply:
        return self._hello(argument, extended=False)

    def _ehlo(self, argument: str) -> Reply:
        return self._hello(argument, extended=True)

    def _hello(self, argument: str, *, extended: bool) -> Reply:
        name = admission.hello_name(argument)
        if name is None:
            return replies.BAD_ARGUMENT
        self._forget_message()
        assert self.session is not None
        self.session.extended_smtp = extended
        self.session.host_name = name
        if not extended:
            return replies.hello(self.hostname)
        return replies.capabilities(
            self.hostname,
            message_bytes_max=self._sessions.settings.smtp.message_bytes_max,
            offers_tls=self.tls_context is not None and self._tls_protocol is None,
        )

    def _starttls(self, argument: str) -> Reply | None:
        if self._tls_protocol is not None:
            return replies.TLS_ACTIVE
        if self.tls_context is None:
            return replies.TLS_UNAVAILABLE
        if argument:
            _at_once(self.smtp_STARTTLS(argument))
            return None
        self._timeouts.enter(Phase.HANDSHAKE, now_s=self._now_s())
        self._await(self._start_tls)
        return None

    async def _start_tls(self) -> None:
        """Go on inside TLS."""
        try:
            await self.smtp_STARTTLS("")
        except TLSSetupException as error:
            log.info("smtp.tls_failed", client=self._client_address, cause=str(error.__cause__))
        if self.session is None or self.session.ssl is None:
            # asyncio tells the layer above TLS nothing of a handshake that did not end well.
            self.abort()
            self.connection_lost(None)
            raise ClientGone("TLS was not agreed on")
        self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())

    def _mail(self, argument: str) -> Reply:
        """Begin a transaction."""
        assert self.session is not None
        if not self.session.host_name:
            return replies.HELLO_FIRST
        if self._transaction is not None:
            return replies.NESTED_MAIL
        given = admission.sender(
            argument,
            extended=self.session.extended_smtp,
            message_bytes_max=self._sessions.settings.smtp.message_bytes_max,
        )
        if isinstance(given, Reply):
            return given
        refusal = self._sessions.why_not()
        if refusal is not None:
            return self._refused(refusal)
        self._transaction = MailTransaction(given)
        return replies.SENDER_OK

    def _refused(self, refusal: Refusal) -> Reply:
        sessions = self._sessions
        if sessions.may_tell(refusal.cause):
            reason, client = refusal.detail, self._client_address
            log.warning("smtp.not_accepting", client=client, cause=refusal.cause, reason=reason)
        sessions.metrics.refused(refusal.cause)
        return replies.refused(refusal)

    def _rcpt(self, argument: str) -> Reply:
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
            mail_domain=sessions.settings.mail_domain,
        )
        if isinstance(found, Reply):
            return found
        folded = found.address.folded
        if folded not in transaction.recipients:
            if len(transaction.recipients) >= sessions.settings.smtp.recipients_max:
                return replies.TOO_MANY_RECIPIENTS
            if sessions.refuses_mail_for(folded):
                sessions.metrics.refused(RefusalCause.HELD)
                return replies.NO_ROOM_FOR_HELD
            transaction.recipients[folded] = found
        return replies.RECIPIENT_OK

    def _data(self, argument: str) -> Reply | None:
        if argument:
            return replies.BAD_ARGUMENT
        if self._transaction is None:
            return replies.MAIL_FIRST
        if not self._transaction.recipients:
            return replies.RECIPIENT_FIRST
        if self._sessions.backpressure.is_open:
            return self._begin_message()
        self._await(self._turn)
        return None

    async def _turn(self) -> None:
        """Begin the message when there are fewer to scan."""
        await self._sessions.backpressure.turn(self._now_s())
        if self._leaving:
            raise ClientGone("the client left while it waited for its turn")
        self._reply(self._begin_message())

    def _begin_message(self) -> Reply:
        smtp = self._sessions.settings.smtp
        try:
            entry = self._sessions.intake.begin()
        except (BorderScoutError, OSError) as error:
            self._forget_message()
            return trouble(error)
        limits = DataLimits(
            message_bytes_max=smtp.message_bytes_max, line_bytes_max=smtp.line_bytes_max
        )
        self._arrival = Arrival(entry, limits)
        self._timeouts.enter(Phase.DATA, now_s=self._now_s())
        return replies.SEND_DATA

    def _take_data(self, arrival: Arrival, block: bytes) -> None:
        self._timeouts.received(len(block))
        failure = outcome_of_call(self._take_block, arrival, block)
        if isinstance(failure, Exception):
            self._apologise(failure)

    def _take_block(self, arrival: Arrival, block: bytes) -> None:
        if not arrival.take(block):
            return
        transaction, session = self._transaction, self.session
        assert transaction is not None and session is not None
        refusal = arrival.refusal
        if arrival.rest and not session.extended_smtp:
            refusal = replies.UNAUTHORISED_PIPELINING  # it was never agreed on
        self._lines.feed(arrival.rest)
        if refusal is not None:
            arrival.abandon()
            self._end_message(refusal)
            self._part_if_draining()
            return
        arrival.address(
            transaction.envelope(
                client_address=self._client_address, helo=session.host_name or "", tls=self._tls()
            ),
            hostname=self.hostname,
            extended=session.extended_smtp,
            now_us=self._sessions.clock.now_us(),
        )
        budget_s = self._sessions.scan_before_answer.budget_s(tuple(transaction.recipients))
        # From now on the time is ours.
        phase = Phase.COMMITTING if budget_s is None else Phase.SCANNING
        self._timeouts.enter(phase, now_s=self._now_s())
        self._await(functools.partial(self._settle, arrival, budget_s))

    async def _settle(self, arrival: Arrival, budget_s: float | None) -> None:
        """Make the message ours, or say why it is not taken."""
        sessions, judgement = self._sessions, None
        if budget_s is not None:
            judgement = await arrival.judge_before_answer(
                sessions.scan_before_answer,
                budget_s=budget_s,
                gone=self.gone(),
                clock=sessions.clock,
            )
            self._timeouts.enter(Phase.COMMITTING, now_s=self._now_s())
        self._end_message(await arrival.settle(judgement, committed=sessions.metrics.received))

    def _end_message(self, reply: Reply) -> None:
        self._forget_message()
        self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())
        self._reply(reply)

    def _tls(self) -> str:
        details: dict[str, Any] | None = self.session.ssl if self.session else None
        if not details:
            return ""
        version = details["ssl_object"].version()
        return f"{version} {details['cipher'][0]}"


def _at_once(said: Coroutine[Any, Any, None]) -> None:
    """Run a command of aiosmtpd's that awaits nothing but ``push``, which does not wait."""
    try:
        said.send(None)
    except StopIteration:
        return
    said.close()
    raise AssertionError("aiosmtpd waits where it did not")


Answer = Callable[[Session, str], Reply | None]

_ANSWERS: dict[str, Answer] = {
    "HELO": Session._helo,
    "EHLO": Session._ehlo,
    "STARTTLS": Session._starttls,
    "MAIL": Session._mail,
    "RCPT": Session._rcpt,
    "DATA": Session._data,
    "NOOP": lambda session, argument: _at_once(session.smtp_NOOP(argument)),
    "RSET": lambda session, argument: _at_once(session.smtp_RSET(argument)),
    "EXPN": lambda session, argument: _at_once(session.smtp_EXPN(argument)),
    "AUTH": lambda session, argument: replies.NOT_IMPLEMENTED,  # nobody logs in here
    "HELP": lambda session, argument: replies.HELP,  # who we are, not what we understand
    "VRFY": lambda session, argument: replies.CANNOT_VERIFY,  # the same for every mailbox
    "QUIT": lambda session, argument: replies.BAD_ARGUMENT if argument else replies.GOODBYE,
}
