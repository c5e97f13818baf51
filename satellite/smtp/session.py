"""How does one client's SMTP session go, from the greeting to QUIT?

Touches one connection and the intake. The decisions are made by the pure files beside this one;
here commands are read in order, answered, and a message is taken. EXPN, NOOP, RSET and half of
STARTTLS are aiosmtpd's own.

Theory of operation. All that can be answered at once is, in the call that brought it. Some things
are awaited, by a task (``_await``): what lists say of the client (the greeting may wait for that),
a turn while there is too much to scan, TLS, what a recipient's server says of it, a scan before the
answer, and the commit. Until ``_go_on`` nothing else is answered (``_is_waiting``); what comes is
kept, and when that is much, the client is not read from. A session is in one ``Phase``:

==========  ===========================  =========================================================
phase       what is awaited              it ends
==========  ===========================  =========================================================
COMMAND     a command; lists; turn       STARTTLS: HANDSHAKE; 354: DATA; refused: CLOSING
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
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import structlog

from common.errors import BorderScoutError
from common.strangers import outcome_of, outcome_of_call
from satellite.smtp import admission, replies
from satellite.smtp.arrival import Arrival, ClientGone, trouble
from satellite.smtp.commands import SmtpCommand, are_harmless, read_command
from satellite.smtp.connection import GROUP_BYTES_MAX
from satellite.smtp.data import limits_of
from satellite.smtp.envelope_session import EnvelopeSession
from satellite.smtp.metrics import OTHER_VERB
from satellite.smtp.replies import Reply
from satellite.smtp.sessions import Sessions
from satellite.smtp.starttls import at_once
from satellite.smtp.timeouts import Phase

log = structlog.get_logger()

# What a session answers to a command's argument; None: when something has been awaited.
Answer = Callable[[Any, str], Reply | None]


class Session(EnvelopeSession):
    """One client, from greeting to goodbye."""

    _answers: ClassVar[Mapping[str, Answer]]  # by verb; what stands below the class

    def __init__(self, sessions: Sessions) -> None:
        super().__init__(sessions)
        self._arrival: Arrival | None = None  # from 354 to the reply to the final dot
        self._commands = 0
        self._is_lmtp = False  # it said LHLO, where that is known

    def _forget_message(self) -> None:
        super()._forget_message()
        self._arrival = None

    def _take(self, block: bytes) -> None:
        if self._arrival is None or self._is_waiting:
            self._lines.feed(block)
        else:
            self._take_data(self._arrival, block)

    def _answer_waiting(self) -> None:
        answered = False
        lines = self._lines
        while lines.octets and not (self._leaving or self._is_waiting):
            if self._arrival is not None:  # while it waited for its turn, data may have come
                self._take_data(self._arrival, lines.take())
                continue
            if self._is_held_up:
                break
            if len(self._out) > GROUP_BYTES_MAX:
                self._go_on_later()  # a long group must not keep the others waiting
                break
            line = lines.next_line()
            if line is None:
                break
            self._answer(line)
            answered = True
            if self._sessions.draining and not self._is_waiting:
                self._part_if_draining()
        if answered and self._timeouts.phase is Phase.COMMAND:
            self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())

    def _part_if_draining(self) -> None:
        if self._sessions.draining and self._transaction is None and not self._leaving:
            self._reply(replies.SHUTTING_DOWN)

    def _answer(self, line: bytes | Reply) -> None:
        self._verb, self._argument = OTHER_VERB, ""
        self._commands += 1
        command = read_command(line) if isinstance(line, bytes) else line
        is_late = self._commands > self._sessions.settings.smtp.commands_max
        if is_late and not self._carries_on(command):
            self._reply(replies.TOO_MANY_COMMANDS)
            return
        if isinstance(command, Reply):
            self._reply(command)
            return
        if self._is_refused and command.verb != "QUIT":
            self._reply(replies.REFUSED_BEFORE)
            return
        answer = self._answers.get(command.verb)
        if answer is None:
            self._reply(replies.UNRECOGNISED)
            return
        self._verb, self._argument = command.verb, command.argument
        extended = self.session is not None and self.session.extended_smtp
        if self._lines.octets and not admission.may_have_followers(
            command.verb, extended=extended, are_harmless=self._lines.are_harmless
        ):
            self._reply(replies.UNAUTHORISED_PIPELINING)
            return
        reply = outcome_of_call(answer, self, command.argument)
        if isinstance(reply, Exception):
            self._apologise(reply)
        elif reply is not None:
            self._reply(reply)

    def _carries_on(self, command: SmtpCommand | Reply) -> bool:
        """Say whether a command carries a transaction to its end, however many came before it."""
        is_needed = isinstance(command, SmtpCommand) and command.verb in ("RCPT", "DATA")
        return self._transaction is not None and is_needed

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
            log.debug("smtp.client_gone", client=self.client_address)
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
        if self._step is None and self._transaction is not None:
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
        settings, transaction = self._sessions.settings, self._transaction
        assert transaction is not None
        try:
            entry = self._sessions.intake.begin()
        except (BorderScoutError, OSError) as error:
            self._forget_message()
            return trouble(error)
        limits = limits_of(
            settings,
            message_bytes_max=transaction.bytes_max(settings.smtp.message_bytes_max),
            takes_wide_header=transaction.takes_wide_header,
            mends_newlines=self._sessions.client_policies.mends_newlines_of(self.client_address),
        )
        self._arrival = Arrival(entry, limits, no_room=self._sessions.intake.refusal)
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
        if arrival.rest and not (session.extended_smtp or are_harmless(arrival.rest)):
            refusal = replies.UNAUTHORISED_PIPELINING  # it was never agreed on
        self._lines.feed(arrival.rest)
        if refusal is not None:
            arrival.abandon()
            self._end_message(refusal)
            self._part_if_draining()
            return
        if arrival.has_mended:
            self._sessions.metrics.normalised()
        arrival.address(
            transaction.envelope(
                client_address=self.client_address,
                helo=session.host_name or "",
                tls=self._tls(),
                preferences=self._sessions.intake.preferences,
            ),
            hostname=self.hostname,
            extended=session.extended_smtp,
            now_us=self._sessions.clock.now_us(),
            is_lmtp=self._is_lmtp,
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
        reply = await arrival.settle(judgement, committed=sessions.metrics.received)
        if reply.code == 250:
            self.has_sent_mail = True
            self._timeouts.took_a_message(now_s=self._now_s())
        self._end_message(reply)

    def _end_message(self, reply: Reply) -> None:
        self._forget_message()
        self._timeouts.enter(Phase.COMMAND, now_s=self._now_s())
        self._reply(reply)


ANSWERS: Mapping[str, Answer] = {
    "HELO": Session._helo,
    "EHLO": Session._ehlo,
    "STARTTLS": Session._starttls,
    "MAIL": Session._mail,
    "RCPT": Session._rcpt,
    "DATA": Session._data,
    "NOOP": lambda session, argument: at_once(session.smtp_NOOP(argument)),
    "RSET": lambda session, argument: at_once(session.smtp_RSET(argument)),
    "EXPN": lambda session, argument: at_once(session.smtp_EXPN(argument)),
    "AUTH": lambda session, argument: replies.NOT_IMPLEMENTED,  # nobody logs in here
    "HELP": lambda session, argument: replies.HELP,  # who we are, not what we understand
    "VRFY": lambda session, argument: replies.CANNOT_VERIFY,  # the same for every mailbox
    "QUIT": lambda session, argument: replies.BAD_ARGUMENT if argument else replies.GOODBYE,
}

Session._answers = ANSWERS
