"""How is an SMTP client's connection read, written, upgraded to TLS and closed?

Touches one connection. aiosmtpd gives the protocol and its upgrade to TLS. Overridden is what it
does in a way that port 25 cannot have (docs/smtp.md tells of each): its constructor inspects every
class member for each connection, it reads through a task and a stream that cost more than all
decisions together, it cancels the handler when the client half-closes or a timer fires, and it
sends replies without enhanced status codes, one packet each.

Octets are looked at in the very call that brings them. Only where something must be awaited is
there a task; what comes meanwhile is kept, and when that is much, the client has to wait.

Source: RFC 2920 section 3.2, RFC 3207 section 4.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import structlog
from aiosmtpd.smtp import SMTP

from common.address import canonical_ip
from satellite.smtp import replies
from satellite.smtp.commands import CommandLines
from satellite.smtp.giving_way import Worth
from satellite.smtp.refusal_log import RefusedClient, is_refusal, refused_client
from satellite.smtp.replies import Reply
from satellite.smtp.sessions import Sessions
from satellite.smtp.timeouts import Overdue, Phase, Timeouts
from satellite.smtp.transaction import MailTransaction

log = structlog.get_logger()

# One read of the event loop brings 256 KiB at most. A client that sends while we commit is paused
# when a quarter of that is kept of it, so it makes us hold little more than one read.
BLOCK_BYTES = 256 * 1024
KEPT_BYTES_MAX = 64 * 1024
SHORT_BYTES_MAX = 4096  # of one read: commands, or a small message

GAVE_WAY = "gave_way"  # it took too long for those who had to wait outside
GROUP_BYTES_MAX = 4096  # replies kept back for one packet; some sixty commands

_OVERDUE_REPLIES = {
    Overdue.IDLE: replies.TIMED_OUT,
    Overdue.SESSION: replies.SESSION_TOO_LONG,
    Overdue.SLOW: replies.TOO_SLOW,
}

Step = Callable[[], Coroutine[Any, Any, None]]


class Connection(SMTP):
    """One client's connection; what is said in it is ``_answer_waiting`` of the class below it.

    Args:
        sessions: what it shares with the others.
    """

    # uvloop's are no instances of it, and have all that it has.
    transport: asyncio.Transport | None

    def __init__(self, sessions: Sessions) -> None:
        # Not SMTP.__init__: it looks through all members of its class and handler each time.
        # A test holds its attributes against these.
        # No reader either: nothing is read by waiting for it.
        asyncio.StreamReaderProtocol.__init__(self, None, loop=sessions.loop)  # type: ignore[arg-type]
        self._source_traceback = None
        self._strong_reader = None
        smtp = sessions.settings.smtp
        self.loop = sessions.loop
        self.event_handler = None
        self.data_size_limit = smtp.message_bytes_max
        self.enable_SMTPUTF8 = True
        self.hostname = sessions.settings.hostname
        self.tls_context = sessions.tls
        self.require_starttls = False
        self.session = None
        self.envelope = None
        self.transport = None
        self._decode_data = False
        self._timeout_handle = None
        self._tls_handshake_okay = True
        self._tls_protocol = None
        self._original_transport = None
        self._handler_coroutine = None
        self._auth_required = False
        self._handle_hooks = {}
        # Ours.
        self._sessions = sessions
        self._now_s = sessions.clock.monotonic_s
        self._lines = CommandLines()
        self._timeouts = Timeouts(sessions.timeouts, now_s=self._now_s())
        self.client_address = ""
        self._local_address = ""  # that of ours which the client talks to
        self.has_sent_mail = False
        self._verb = "CONNECT"
        self._argument = ""
        self._offered: MailTransaction | None = None  # until the reply to its end has been said
        self._is_forgotten = False
        self._out = bytearray()
        self._is_held_up = False  # the client reads more slowly than we write
        self._is_waiting = False  # a task has the word, or the others of the loop have
        self._is_reading = True
        self._step: Step | None = None
        self._errors = 0  # in tenths
        self._leaving = False
        self._gone = False
        self._has_ended = False  # nothing more will come from the client
        self._waits_for_end: asyncio.Future[None] | None = None

    def gone(self) -> asyncio.Future[None]:
        """Return a future that is done as soon as the client has left, or sends no more."""
        if self._waits_for_end is None:
            self._waits_for_end = self.loop.create_future()
            if self._has_ended:
                self._waits_for_end.set_result(None)
        return self._waits_for_end

    def _note_end(self) -> None:
        self._has_ended = True
        if self._waits_for_end is not None and not self._waits_for_end.done():
            self._waits_for_end.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new connection, or the same one anew inside TLS."""
        transport = cast(asyncio.Transport, transport)
        if self._original_transport is not None:
            # RFC 3207 section 4.2: what came in the clear behind STARTTLS never was, and neither
            # were the transaction and the HELO name.
            self._forget_message()
            self._lines.clear()
            self._begin_anew(transport)
        elif self._enter(transport):
            self._begin_anew(transport)
            self._greet()
            self._flush()

    def _greet(self) -> None:
        """Say who we are."""
        self._reply(replies.greeting(self.hostname))

    def _begin_anew(self, transport: asyncio.Transport) -> None:
        """As aiosmtpd begins, but without a task and, inside TLS, without a reader to empty."""
        self.transport = transport
        self.session = self._create_session()
        self.session.peer = transport.get_extra_info("peername")
        if self._tls_protocol is not None:
            self.session.ssl = self._tls_protocol._extra

    def _enter(self, transport: asyncio.WriteTransport) -> bool:
        sessions = self._sessions
        peer = transport.get_extra_info("peername")
        if not peer:  # it has gone again already
            self._gone = True
            transport.abort()
            return False
        address = _canonical(peer)
        too_many = sessions.let_in(address) if not sessions.is_shut else "draining"
        if too_many is None:
            self.client_address = address
            self._local_address = _canonical(transport.get_extra_info("sockname"))
            sessions.metrics.connection("accepted")
            sessions.enter(self)
            return True
        if sessions.may_tell(too_many):
            log.warning("smtp.turned_away", client=address, reason=str(too_many))
        reply = self._farewell() if sessions.is_shut else replies.TOO_MANY_CONNECTIONS
        sessions.metrics.connection(str(too_many))
        sessions.metrics.reply("CONNECT", reply.code)
        sessions.note_refusal(RefusedClient(address=address), reply)
        self._gone = True
        transport.write(reply.octets)
        transport.close()
        return False

    def _farewell(self) -> Reply:
        sessions = self._sessions
        if sessions.draining or sessions.refusal is None:
            return replies.SHUTTING_DOWN
        sessions.metrics.refused(sessions.refusal.cause)
        return replies.refused(sessions.refusal)

    def data_received(self, data: bytes) -> None:
        """Answer what comes; what cannot be looked at yet is kept."""
        if self._leaving:
            return
        is_long = len(data) > SHORT_BYTES_MAX
        if not self._is_waiting and self._sessions.loop_round.is_spent(is_long=is_long):
            self._go_on_later(is_long=is_long)
        self._take(data)
        self._proceed()

    def _forget_message(self) -> None:
        """End the transaction."""
        self.envelope = None
        self._is_forgotten = True

    def _set_post_data_state(self) -> None:
        """What aiosmtpd calls so, for RSET too."""
        self._forget_message()

    def _take(self, block: bytes) -> None:
        """Put octets to where they belong."""
        self._lines.feed(block)

    def _answer_waiting(self) -> None:
        """Answer what has been kept, until it is empty or something must be awaited."""
        raise NotImplementedError

    def _proceed(self) -> None:
        """Go on with the conversation as far as it can go now."""
        if self._gone:
            return
        self._answer_waiting()
        self._flush()
        if self._leaving or self._has_ended:
            if not self._is_waiting and not self._is_held_up:
                self._hang_up()
        elif self._lines.octets or not self._is_reading:
            self._hold_back()

    def _hold_back(self) -> None:
        """Let the client wait while much is kept of it."""
        most = KEPT_BYTES_MAX if self._is_reading else KEPT_BYTES_MAX // 2
        is_reading = len(self._lines.octets) <= most
        assert self.transport is not None
        if is_reading and not self._is_reading:
            self.transport.resume_reading()
        elif self._is_reading and not is_reading:
            self.transport.pause_reading()
        self._is_reading = is_reading

    def _await(self, step: Step) -> None:
        """Let a task do what must be awaited; nothing is answered before it is done."""
        self._is_waiting = True
        self._step = step
        self._handler_coroutine = self.loop.create_task(self._handle_client())
        self._sessions.follow(self._handler_coroutine)

    def _go_on_later(self, *, is_long: bool = False) -> None:
        """Let the others have their turn first."""
        self._is_waiting = True
        self._sessions.loop_round.later(self._go_on, is_long=is_long)

    def _go_on(self) -> None:
        self._is_waiting = False
        self._step = self._handler_coroutine = None  # both know us: nobody else need find the ring
        self._proceed()

    def eof_received(self) -> bool:
        """Answer to the end: a client that only stops sending gets its replies."""
        if self._gone or self.session is None:
            return False
        self._note_end()
        self._proceed()
        return self.session.ssl is None  # TLS has no half-closed state here

    def connection_lost(self, error: Exception | None) -> None:
        """Note that nobody is there; nobody cancels what is being committed."""
        if self._gone:
            return
        self._gone = True
        self._leaving = True
        self._note_end()
        if self._original_transport is not None:
            self._original_transport.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None
        self._sessions.leave(self, self.client_address)

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Do nothing: the front end looks at all sessions' patience once a second."""

    async def push(self, status: str | bytes) -> None:
        """Say what aiosmtpd says; the only thing of ours that it awaits."""
        line = status.decode("ascii") if isinstance(status, bytes) else status
        self._reply(replies.completed(line))
        if self._is_waiting:  # in a task, and the client goes on only after this
            self._flush()

    def _reply(self, reply: Reply) -> None:
        """Keep a reply for the packet that the answers to one read become (RFC 2920, 3.2)."""
        self._say(reply)
        if not reply.weight:
            return
        self._errors += reply.weight
        if self._errors >= self._sessions.settings.smtp.errors_max * 10 and not reply.closes:
            self._say(replies.TOO_MANY_ERRORS)

    def _say(self, reply: Reply) -> None:
        self._sessions.metrics.reply(self._verb, reply.code)
        if reply.code >= 400:
            self._note_refusal(reply)
        if self._is_forgotten:
            self._offered, self._is_forgotten = None, False
        self._out += reply.octets
        self._leaving = self._leaving or reply.closes

    def _note_refusal(self, reply: Reply) -> None:
        """Tell of a refusal, whatever it was; every reply of a session comes by here."""
        if is_refusal(reply, has_begun=self._offered is not None):
            self._sessions.note_refusal(self._refused_client(), reply)

    def _refused_client(self) -> RefusedClient:
        """Return who is refused now, with what it has said so far."""
        return refused_client(
            self.client_address,
            helo=(self.session.host_name if self.session is not None else "") or "",
            offered=self._offered,
            verb=self._verb,
            argument=self._argument,
        )

    def _flush(self) -> None:
        if not self._out:
            return
        if self.transport is not None:
            self.transport.write(bytes(self._out))
        self._out.clear()

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than we write."""
        self._is_held_up = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on: it has caught up."""
        self._is_held_up = False
        super().resume_writing()
        self._proceed()

    def _hang_up(self) -> None:
        if self._gone or self.transport is None:
            return
        self._leaving = True
        self._flush()
        if self._timeouts.phase is not Phase.CLOSING:
            self._timeouts.enter(Phase.CLOSING, now_s=self._now_s())
        self.transport.close()

    @property
    def is_busy(self) -> bool:
        """True while more is going on than waiting for a command."""
        return self._timeouts.phase is not Phase.COMMAND

    def dismiss(self, reply: Reply) -> None:
        """Say a last word and hang up; not while a message is being committed."""
        if self._timeouts.phase is Phase.COMMITTING:
            return
        if not self._leaving:
            self._say(reply)
        self._hang_up()

    @property
    def worth(self) -> Worth:
        """What the client has done so far."""
        return Worth.MESSAGES if self.has_sent_mail else Worth.NOTHING

    def silent_s(self, now_s: float) -> float:
        """Return for how long we have waited for the client; 0 while it waits for us."""
        return 0.0 if self._is_waiting or self._leaving else self._timeouts.silent_s(now_s=now_s)

    def give_way(self) -> None:
        """Make room for somebody who has something to say."""
        self._sessions.metrics.overdue(GAVE_WAY)
        is_reached = self._timeouts.phase is not Phase.HANDSHAKE and not self._is_held_up
        self.dismiss(replies.TOO_MANY_CONNECTIONS)
        if not is_reached:  # it does not read, or could not understand our last word
            self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        transport = self._original_transport or self.transport
        if transport is not None:
            cast(asyncio.WriteTransport, transport).abort()

    def check_timeouts(self) -> None:
        """End the session if something in it has taken too long."""
        overdue = self._timeouts.overdue(
            now_s=self._now_s(), is_stressed=self._sessions.stress.is_on and not self._is_waiting
        )
        if overdue is None:
            return
        log.info("smtp.overdue", client=self.client_address, reason=str(overdue))
        self._sessions.metrics.overdue(str(overdue))
        reply = _OVERDUE_REPLIES.get(overdue)
        if reply is None:
            self.abort()
        else:
            self.dismiss(reply)


def _canonical(name: tuple[Any, ...]) -> str:
    """Return the address of a socket's name in canonical text."""
    return canonical_ip(str(name[0]).partition("%")[0])
