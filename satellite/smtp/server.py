"""How does the SMTP front end listen on port 25, and drain when it is stopped?

Touches sockets and the certificate's files. The listening sockets come from outside, bound already:
workers share them, and none of them needs root for it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

import structlog

from common.certificate import CertificateStatus
from common.clock import Clock
from common.tasks import keep_running
from satellite.loop_round import LoopRound
from satellite.next_hop import NextHopOffer
from satellite.overload.pressure import Refusal
from satellite.smtp import replies
from satellite.smtp.admission import own_names
from satellite.smtp.backpressure import Backpressure
from satellite.smtp.certificate import RENEWAL_S, StarttlsCertificate
from satellite.smtp.client_policy import ClientPolicies
from satellite.smtp.connection_limits import ConnectionLimits
from satellite.smtp.intake import (
    BlockLists,
    ConnectLists,
    FrontEndSettings,
    Intake,
    PutsOff,
    ScanBeforeAnswer,
    Verification,
    puts_nobody_off,
)
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.refusal_log import RefusalLog
from satellite.smtp.session import Session
from satellite.smtp.sessions import Sessions
from satellite.smtp.timeouts import TimeoutLimits

log = structlog.get_logger()

BACKLOG = 1024  # connections that the kernel keeps for us while we are busy
HAND_OVER_S = 5.0  # for sessions to end by themselves: most take less, and none is cut off for it
ACCEPT_TURNS = 5  # of the loop: a connection that was taken just now is in no list before
LOOK_EVERY_S = 1.0  # how exactly deadlines are kept


class FrontEnd:
    """The SMTP server of one worker.

    Args:
        intake: where mail goes; the spool.
        settings: of the program.
        clock: for deadlines and the trace field.
        metrics: what it counts with.
        backpressure: slows senders down; judging tells it of each message that was judged.
        scan_before_answer: who does so, where a policy asks for it.
        loop_round: whose round of the event loop it is.
        refusal_log: keeps what is refused until it is told.
        refuses_mail_for: says of a recipient whether more of its mail would be held, and too much.
        verification: knows which recipients there are, where a route wants it.
        block_lists: knows which clients are listed, where a policy wants it.
        connect_lists: likewise, before anything is said.
        offered_for: returns what the next hop of a recipient offered, as far as we know.
        puts_off: says why a recipient is put off for a client and a sender, if it is.
        session: makes the session of one client.
    """

    def __init__(
        self,
        intake: Intake,
        settings: FrontEndSettings,
        clock: Clock,
        metrics: SmtpMetrics,
        *,
        backpressure: Backpressure,
        scan_before_answer: ScanBeforeAnswer,
        refuses_mail_for: Callable[[str], bool],
        offered_for: Callable[[str], NextHopOffer | None],
        verification: Verification,
        block_lists: BlockLists,
        connect_lists: ConnectLists,
        refusal_log: RefusalLog,
        loop_round: LoopRound,
        puts_off: PutsOff = puts_nobody_off,
        session: Callable[[Sessions], Session] = Session,
    ) -> None:
        self._loop_round = loop_round
        self._new_session = session
        self._backpressure = backpressure
        self._scan_before_answer = scan_before_answer
        self._refuses_mail_for = refuses_mail_for
        self._offered_for = offered_for
        self._verification = verification
        self._block_lists = block_lists
        self._connect_lists = connect_lists
        self._refusal_log = refusal_log
        self._puts_off = puts_off
        self._intake = intake
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._certificate = StarttlsCertificate(settings.smtp)
        self._sessions: Sessions | None = None
        self._refusal: Refusal | None = None
        self._is_handing_over = False
        self._sockets: Sequence[socket.socket] = ()
        self._servers: list[asyncio.Server] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return len(self._sessions.connections) if self._sessions is not None else 0

    @property
    def is_stressed(self) -> bool:
        """True while connections run out."""
        return self._sessions is not None and self._sessions.stress.is_on

    def certificate_status(self) -> CertificateStatus | None:
        """Return until when the certificate for STARTTLS is good; None while none is in use."""
        return self._certificate.status

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on sockets that are bound already; they are ours from now on.

        Raises:
            SettingsError: the certificate cannot be used.
        """
        assert self._sessions is None
        smtp = self._settings.smtp
        loop = asyncio.get_running_loop()
        self._sessions = Sessions(
            loop=loop,
            intake=self._intake,
            settings=self._settings,
            clock=self._clock,
            metrics=self._metrics,
            connection_limits=ConnectionLimits(
                total_max=smtp.connections_max,
                network_max=smtp.connections_per_network_max,
                address_max=smtp.connections_per_address_max,
            ),
            timeouts=TimeoutLimits(
                command_s=smtp.command_timeout_s,
                session_s=smtp.session_s_max,
                data_bytes_per_s=smtp.data_bytes_per_s_min,
            ),
            tls=self._certificate.load(),
            backpressure=self._backpressure,
            scan_before_answer=self._scan_before_answer,
            refuses_mail_for=self._refuses_mail_for,
            offered_for=self._offered_for,
            verification=self._verification,
            block_lists=self._block_lists,
            connect_lists=self._connect_lists,
            client_policies=ClientPolicies(smtp.clients),
            loop_round=self._loop_round,
            own=own_names(
                mail_domain=self._settings.mail_domain,
                hostname=self._settings.hostname,
                listen=smtp.listen,
            ),
            refusal_log=self._refusal_log,
            puts_off=self._puts_off,
            refusal=self._refusal,
        )
        self._sessions.nobody_here.set()
        self._sockets = tuple(sockets)
        await self._open()
        for work, name in (
            (self._look_after_sessions, "smtp.watch"),
            (self._watch_backpressure, "smtp.backpressure"),
            (self._watch_certificate, "smtp.certificate"),
        ):
            task = loop.create_task(keep_running(work, name=name, clock=self._clock), name=name)
            self._tasks.append(task)

    def refuse(self, refusal: Refusal | None) -> None:
        """Take no mail from now on, for this reason; None: take it again."""
        self._refusal = refusal
        if self._sessions is not None:
            self._sessions.refusal = refusal

    def stop_listening(self) -> None:
        """Take no further connections; the open ones go on."""
        self._close()
        for sock in self._sockets:
            sock.close()
        self._sockets = ()

    async def drain(self, deadline_s: float, *, turns_away: bool = True) -> None:
        """End all sessions: idle ones at once, the others when their message is done.

        Args:
            deadline_s: seconds; what is still open then is cut, except that a commit which has
                begun is awaited.
            turns_away: whoever comes meanwhile is told to come back: a connection that nobody takes
                keeps its sender waiting for as long as it is patient. Otherwise it is left in the
                kernel's queue, for another worker or for the one that comes after us, and who is
                here already has a moment to end by itself.
        """
        sessions = self._sessions
        if sessions is None:
            return
        if not turns_away:
            self._is_handing_over = True
            self._close()
            await self._let_end(sessions, HAND_OVER_S)
            deadline_s = max(0.0, deadline_s - HAND_OVER_S)
        sessions.draining = True
        if turns_away and self._sockets and not self._servers:
            await self._open()
        for connection in list(sessions.connections):
            if not connection.is_busy:
                connection.dismiss(replies.SHUTTING_DOWN)
        await self._let_end(sessions, deadline_s)
        for connection in list(sessions.connections):
            connection.dismiss(replies.SHUTTING_DOWN)
            connection.abort()
        await _end_of(sessions)
        self.stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _let_end(self, sessions: Sessions, seconds: float) -> None:
        """Return when all sessions have ended, or after so many seconds."""
        for _ in range(ACCEPT_TURNS):
            await asyncio.sleep(0)
        ended = asyncio.ensure_future(_end_of(sessions))
        deadline = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait([ended, deadline], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            deadline.cancel()

    def _session(self) -> Session:
        assert self._sessions is not None
        return self._new_session(self._sessions)

    async def _open(self) -> None:
        """Take connections. The server closes what it listens on, so it gets a duplicate."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            self._servers.append(
                await loop.create_server(self._session, sock=sock.dup(), backlog=BACKLOG)
            )

    def _close(self) -> None:
        """Take none; who comes waits in the kernel's queue, where other workers find them too."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _watch_backpressure(self) -> None:
        """Take connections while senders find a turn within a short time."""
        assert self._sessions is not None
        crossed = self._backpressure.crossed
        while True:
            await crossed.wait()
            crossed.clear()
            if self._backpressure.is_full and not self._sessions.draining:
                self._close()
            elif not self._servers and not self._is_handing_over:
                await self._open()

    async def _watch_certificate(self) -> None:
        """Use a renewed certificate for the sessions that begin from then on."""
        assert self._sessions is not None
        while True:
            await self._clock.sleep(RENEWAL_S)
            self._sessions.tls = self._certificate.look()

    async def _look_after_sessions(self) -> None:
        assert self._sessions is not None
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            self._backpressure.look(self._clock.monotonic_s())
            self._sessions.look_at_stress()
            for connection in list(self._sessions.connections):
                connection.check_timeouts()


async def _end_of(sessions: Sessions) -> None:
    """Return when all conversations and connections have ended."""
    while sessions.conversations or sessions.connections:
        if sessions.conversations:
            await asyncio.wait(sessions.conversations)
        else:
            await sessions.nobody_here.wait()
