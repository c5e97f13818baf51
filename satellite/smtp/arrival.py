"""How is message data taken from 354 to the commit and the 250?

Touches the intake. Octets go from the connection through the scanner straight into the intake; at
the first fault what was kept is given up at once, and the rest is read and thrown away, so that
commands are looked for only behind the real end of the data.

Source: RFC 5321 sections 4.1.1.4, 4.2.5 and 6.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing

import structlog

from common.clock import Clock
from common.envelope import Envelope
from common.errors import BorderScoutError, DiskFull
from common.tasks import finish
from satellite.smtp import replies
from satellite.smtp.data import DataLimits, DataScanner, Fault
from satellite.smtp.intake import Incoming, ScanBeforeAnswer
from satellite.smtp.replies import Reply
from satellite.smtp.scan_before_answer import ClientGone, judged_in_time
from satellite.smtp.trace import received_line
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Judgement, Stored

__all__ = ["Arrival", "ClientGone", "trouble"]

log = structlog.get_logger()

# A refused message is read on up to this many times the size limit: then its sender is cut off.
DISCARD_FACTOR = 4
ROOM_BYTES = 1 << 20  # of a message, between two looks at the disk

_FAULT_REPLIES = {
    Fault.SIZE: replies.TOO_BIG,
    Fault.BARE_NEWLINE: replies.BARE_NEWLINE,
    Fault.LINE_LENGTH: replies.TEXT_LINE_TOO_LONG,
    Fault.LOOP: replies.MAIL_LOOP,
    Fault.WIDE_HEADER: replies.NEXT_HOP_LACKS_SMTPUTF8,
}


class Arrival:
    """One message between 354 and the reply to its final dot.

    Args:
        entry: where it goes.
        limits: what it may be.
        no_room: says why the disk takes no more, or None.

    Attributes:
        rest: what came behind the final dot.
        refusal: why the message cannot be taken, or None.
    """

    def __init__(
        self, entry: Incoming, limits: DataLimits, *, no_room: Callable[[], str | None]
    ) -> None:
        self._entry = entry
        self._no_room = no_room
        self._looked_bytes = 0
        self._limits = limits
        self._scanner = DataScanner(limits)
        self.rest = b""
        self.refusal: Reply | None = None

    def abandon(self) -> None:
        """Leave nothing of it; harmless after a commit."""
        self._entry.abandon()

    def take(self, block: bytes) -> bool:
        """Take the next octets, at least one; return whether the data is over."""
        scanner = self._scanner
        octets = scanner.feed(block)
        if self.refusal is None:
            self.refusal = self._keep(octets)
        if scanner.size > DISCARD_FACTOR * self._limits.message_bytes_max:
            self.refusal = replies.TOO_BIG_BY_FAR
            return True
        self.rest = scanner.rest
        return scanner.ended

    def _keep(self, octets: bytes) -> Reply | None:
        fault = self._scanner.fault
        reply = _FAULT_REPLIES[fault] if fault is not None else None
        if reply is None and self._scanner.size - self._looked_bytes >= ROOM_BYTES:
            # Looked at before MAIL too; but a thousand that were let in then may be large.
            self._looked_bytes = self._scanner.size
            reply = replies.NO_ROOM if self._no_room() is not None else None
        if reply is None and octets:
            try:
                self._entry.write(octets)
            except (BorderScoutError, OSError) as error:
                reply = trouble(error)
        if reply is not None:
            self._entry.abandon()
        return reply

    @property
    def has_mended(self) -> bool:
        """True when the message had bare newlines that were mended."""
        return self._scanner.has_mended

    def address(
        self,
        envelope: Envelope,
        *,
        hostname: str,
        extended: bool,
        now_us: int,
        is_lmtp: bool = False,
    ) -> None:
        """Say where it comes from and goes to, once all of it is here.

        Args:
            envelope: who sends it to whom.
            hostname: our own name, for the trace field.
            extended: the client said EHLO.
            now_us: the time of acceptance, microseconds since the epoch, UTC.
            is_lmtp: the client said LHLO.
        """
        self._envelope = envelope
        self._trace = received_line(
            message=self._entry.id,
            helo=envelope.helo,
            client_address=envelope.client_address,
            hostname=hostname,
            extended=extended,
            tls=envelope.tls,
            smtputf8=envelope.smtputf8,
            recipients=envelope.recipients,
            now_us=now_us,
            is_lmtp=is_lmtp,
        )

    @property
    def size(self) -> int:
        """Octets that came."""
        return self._scanner.size

    def offered(self) -> tuple[Stored, Body]:
        """Return message and octets as they came, once it is addressed; close the body after use.

        Raises:
            BorderScoutError: it cannot be read.
        """
        return self._entry.offered(envelope=self._envelope, trace=self._trace)

    async def judge_before_answer(
        self,
        scan_before_answer: ScanBeforeAnswer,
        *,
        budget_s: float,
        gone: asyncio.Future[None],
        clock: Clock,
    ) -> Judgement | None:
        """Return what a scan before the answer says of it, or None: it is judged later.

        Raises:
            ClientGone: the client left meanwhile.
        """
        try:
            stored, body = self.offered()
        except BorderScoutError as error:  # a disk that is bad is met again at the commit
            log.error("smtp.cannot_scan", cause=str(error))
            return None
        with closing(body):
            judging = scan_before_answer.judge_before_answer(stored, body)
            return await judged_in_time(judging, budget_s=budget_s, gone=gone, clock=clock)

    async def settle(
        self, judgement: Judgement | None, *, committed: Callable[[int], None]
    ) -> Reply:
        """Make durable what becomes of the message; return the reply to its final dot.

        Args:
            judgement: if it was scanned already; it may say that the message is not taken.
            committed: called with its octets once it is durable.
        """
        entry, envelope, trace = self._entry, self._envelope, self._trace
        if judgement is not None and judgement.rejected_for:
            return await self._reject(judgement)

        async def hand_over() -> None:
            await entry.commit(envelope=envelope, trace=trace, judgement=judgement)
            committed(self._scanner.size)

        try:
            # Here responsibility changes hands (RFC 5321 section 6.1). Once begun, the commit
            # ends in its own time: if the client has gone meanwhile or the front end is being
            # stopped, the message is ours all the same, and the 250 is merely not heard.
            await finish(hand_over())
        except (BorderScoutError, OSError) as error:
            entry.abandon()
            return trouble(error)
        return replies.queued(entry.id)

    async def _reject(self, judgement: Judgement) -> Reply:
        """Put on record why it is not taken, and say so; without the record, try again later."""
        entry = self._entry
        try:
            await finish(
                entry.reject(envelope=self._envelope, trace=self._trace, judgement=judgement)
            )
        except (BorderScoutError, OSError) as error:
            return trouble(error)
        finally:
            entry.abandon()
        return replies.rejected(judgement.rejected_for)


def trouble(error: Exception) -> Reply:
    """Return the reply to a failure of ours. Its cause goes to the log, never to the client."""
    log.error("smtp.cannot_store", cause=str(error))
    return replies.NO_ROOM if isinstance(error, DiskFull) else replies.INTERNAL_ERROR
