"""How does a mail server's milter conversation go, message by message?

Touches one connection. The mail server tells of its client, the envelope, each header field and the
body as they come; at the end of the message it hears what to change and what to do. The message is
the mail server's all the time: it is in no queue yet, and whatever breaks here is for it to answer
with 451 (``milter_default_action``).

All recipients share one message: what one of them has to be refused for, it is refused for; where
one waits, all wait; where it is quarantined for one, the mail server holds it for all. Of several
copies the one with the most marks counts, and who is to get none is taken off the list.

Source: as ``milter_packets``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing

import structlog

from common.clock import Clock
from common.envelope import Envelope
from common.errors import BorderScoutError
from common.frozen import dataclass
from common.strangers import outcome_of
from satellite.judging.disposition import Done
from satellite.scan_server import passed_back
from satellite.scan_server.examiner import Examiner, Treated, Treatment
from satellite.scan_server.milter_changes import changes
from satellite.scan_server.milter_packets import (
    ACCEPT,
    CONTINUE,
    DISCARD,
    TEMPFAIL,
    Agreed,
    MilterAction,
    MilterError,
    MilterStep,
    client_of,
    held,
    length_of,
    negotiated,
    negotiation,
    reply_code,
    texts,
    version_of,
    without_recipient,
)
from satellite.scan_server.passing_log import PassingLog, Way
from satellite.scan_server.passing_message import PassingIntake, PassingMessage
from satellite.smtp import replies
from satellite.smtp.admission import hello_name
from satellite.smtp.arrival import trouble
from satellite.smtp.replies import Reply
from satellite.spool.model.messages import Stored

log = structlog.get_logger()

IDLE_S = 7210.0  # between packets, as libmilter has it: a session lasts as long as its client's
PACKET_S = 60.0  # for the rest of a packet that has begun
RECIPIENTS_MAX = 10_000  # far above what any mail server takes for one message


@dataclass(frozen=True, slots=True, kw_only=True)
class Milter:
    """What all sessions share.

    Args:
        examiner: says what is done with a message.
        intake: where messages are meanwhile.
        log: is told of each message.
        mail_domain: our authserv-id.
        refuses_quarantine: what were quarantined is refused, and not held.
        message_bytes_max: larger mail is refused.
        scan_s_max: how long a scan may take.
        clock: the time.
    """

    examiner: Examiner
    intake: PassingIntake
    log: PassingLog
    mail_domain: str
    refuses_quarantine: bool
    message_bytes_max: int
    scan_s_max: float
    clock: Clock


class _MilterMessage:
    """One message as it is told."""

    def __init__(self, sender: bytes, words: Sequence[bytes], content: PassingMessage) -> None:
        self.sender = _path(sender)
        self.smtputf8 = any(word.upper() == b"SMTPUTF8" for word in words)
        self.recipients: list[bytes] = []  # paths as they came
        self.content = content
        self.size = 0
        self.failure: Reply | None = None

    def write(self, octets: bytes, *, bytes_max: int) -> None:
        """Keep what came; once that has failed, nothing more."""
        self.size += len(octets)
        if self.failure is not None:
            return
        if self.size > bytes_max:
            self.failure = replies.TOO_BIG
        else:
            try:
                self.content.write(octets)
            except BorderScoutError as error:
                self.failure = trouble(error)
        if self.failure is not None:
            self.content.abandon()


class MilterSession:
    """One connection of a mail server.

    Args:
        milter: what it shares with the others.
        reader, writer: the connection.
    """

    def __init__(
        self, milter: Milter, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._milter = milter
        self._reader = reader
        self._writer = writer
        self._agreed: Agreed | None = None
        self._client = ""
        self._helo = ""
        self._message: _MilterMessage | None = None
        self.is_answering = False  # the mail server waits for our word on a message
        self.is_leaving = False  # told to end; it does so after that word

    async def run(self) -> None:
        """Answer until the mail server leaves.

        Raises:
            MilterError: it said what it must not.
            OSError, asyncio.IncompleteReadError, TimeoutError: the connection is over.
        """
        try:
            while not self.is_leaving:
                letter, data = await self._next()
                if letter == b"Q":
                    return
                await self._take(letter, data)
        finally:
            self._forget()

    async def _next(self) -> tuple[bytes, bytes]:
        async with asyncio.timeout(IDLE_S):
            prefix = await self._reader.readexactly(4)
        async with asyncio.timeout(PACKET_S):
            octets = await self._reader.readexactly(length_of(prefix))
        return octets[:1], octets[1:]

    async def _take(self, letter: bytes, data: bytes) -> None:
        if letter == b"O":
            self._agreed = negotiated(data)
            await self._say(negotiation(self._agreed, version=version_of(data)))
            return
        if self._agreed is None:
            raise MilterError("no offer came first")
        if letter == b"E":
            await self._end(data)
        elif letter == b"A":
            self._forget()
        elif letter == b"K":  # another client comes by the same connection
            self._forget()
            self._client = self._helo = ""
        elif letter != b"D":  # macros: there is nothing in them that we need
            self._note(letter, data)
            if not self._agreed.is_unanswered(letter):
                await self._say(CONTINUE)

    def _note(self, letter: bytes, data: bytes) -> None:
        """Note what the mail server tells."""
        match letter:
            case b"C":
                self._client = client_of(data)
            case b"H":
                name = b"".join(texts(data)[:1]).decode("ascii", "replace")
                self._helo = hello_name(name) or ""
            case b"M":
                self._forget()
                sender, *words = texts(data) or [b""]
                self._message = _MilterMessage(sender, words, self._milter.intake.begin())
            case b"R":
                if len(self._open().recipients) >= RECIPIENTS_MAX:
                    raise MilterError(f"more than {RECIPIENTS_MAX} recipients")
                self._open().recipients += texts(data)[:1]
            case b"L":
                self._write(self._field(data))
            case b"N":
                self._write(b"\r\n")
            case b"B":
                self._write(data)
            case b"T" | b"U":
                pass
            case _:
                raise MilterError(f"a packet {letter!r}")

    def _open(self) -> _MilterMessage:
        if self._message is None:
            raise MilterError("no MAIL came first")
        return self._message

    def _write(self, octets: bytes) -> None:
        self._open().write(octets, bytes_max=self._milter.message_bytes_max)

    def _field(self, data: bytes) -> bytes:
        """Return a header field as it stood in the message."""
        name, value, *_ = [*texts(data), b"", b""]
        between = b":" if self._has_leading_space else b": "
        return name + between + value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"

    @property
    def _has_leading_space(self) -> bool:
        assert self._agreed is not None
        return bool(self._agreed.steps & MilterStep.LEADING_SPACE)

    def _forget(self) -> None:
        if self._message is not None:
            self._message.content.abandon()
        self._message = None

    async def _say(self, octets: bytes) -> None:
        self._writer.write(octets)
        async with asyncio.timeout(PACKET_S):
            await self._writer.drain()

    # ---- the end of a message

    async def _end(self, data: bytes) -> None:
        """Say what becomes of a message."""
        message = self._open()
        if data:
            self._write(data)
        self.is_answering = True
        try:
            await self._say(await self._answer(message))
        finally:
            self.is_answering = False
            self._forget()

    async def _answer(self, message: _MilterMessage) -> bytes:
        milter, began_s = self._milter, self._milter.clock.monotonic_s()
        if message.failure is not None or not message.recipients:
            failure = message.failure
            milter.log.failed(Way.MILTER, str(failure.code) if failure is not None else "451")
            return _replied(failure) if failure is not None else TEMPFAIL
        found = await outcome_of(self._treated(message))
        if isinstance(found, Exception):
            is_late = isinstance(found, TimeoutError)
            if not is_late:
                log.error("scan.milter_failed", exc_info=found)
            reply = passed_back.TOO_LONG_TO_SCAN if is_late else replies.INTERNAL_ERROR
            milter.log.failed(Way.MILTER, str(reply.code))
            return _replied(reply)
        stored, treated = found
        packets, said = self._said(message, stored, treated)
        ms = round((milter.clock.monotonic_s() - began_s) * 1000)
        milter.log.passed(Way.MILTER, stored, treated, [said], ms=ms)
        return packets

    async def _treated(self, message: _MilterMessage) -> tuple[Stored, Treated]:
        envelope = Envelope(
            client_address=self._client,
            helo=self._helo,
            sender=message.sender,
            recipients=tuple(_path(path) for path in message.recipients),
            smtputf8=message.smtputf8,
        )
        stored, body = message.content.offered(envelope=envelope, trace=b"")
        with closing(body):
            async with asyncio.timeout(self._milter.scan_s_max):
                treated = await self._milter.examiner.examined(
                    stored, body, can_reject=True, is_one=True, shares_copy=True
                )
        return stored, treated

    def _said(self, message: _MilterMessage, stored: Stored, treated: Treated) -> tuple[bytes, str]:
        """Return the packets that are the answer, and what the log says of it."""
        treatments = treated.treatments
        given = [
            passed_back.of_treatment(
                one, stored.id, refuses_quarantine=self._milter.refuses_quarantine
            )
            for one in treatments
        ]
        refused = [reply for reply in given if reply is not None and reply.code >= 400]
        if refused:
            worst = passed_back.the_worst(refused)
            return _replied(worst), str(worst).rstrip()
        if all(one.done is Done.DROP for one in treatments):
            return DISCARD, "250 dropped"
        kept_back = [one for one in treatments if one.done is Done.QUARANTINE]
        if kept_back:
            reason = kept_back[0].disposed.reason
            return self._amended(treated, kept_back) + self._held(reason), "250 held"
        delivered = [one for one in treatments if one.done is Done.DELIVER]
        packets = self._amended(treated, delivered)
        dropped = [
            path
            for path, one in zip(message.recipients, treatments, strict=True)
            if one.done is Done.DROP
        ]
        return packets + self._without(dropped) + ACCEPT, "250 accepted"

    def _amended(self, treated: Treated, treatments: Sequence[Treatment]) -> bytes:
        most = max(treatments, key=lambda one: (one.disposed.marked, one.disposed.score))
        assert most.copy is not None
        return changes(
            treated.block,
            most.copy,
            mail_domain=self._milter.mail_domain,
            leading_space=self._has_leading_space,
        )

    def _held(self, reason: str) -> bytes:
        """Return what has the mail server hold it; who cannot keeps it with its sender."""
        assert self._agreed is not None
        if self._agreed.actions & MilterAction.QUARANTINE:
            return held(reason) + ACCEPT
        return TEMPFAIL

    def _without(self, paths: Sequence[bytes]) -> bytes:
        assert self._agreed is not None
        if paths and not self._agreed.actions & MilterAction.DELETE_RECIPIENTS:
            raise MilterError("recipients cannot be taken away")
        return b"".join(map(without_recipient, paths))


def _path(text: bytes) -> str:
    """Return the address in a path."""
    address = text.strip()
    if address.startswith(b"<") and address.endswith(b">"):
        address = address[1:-1]
    return address.decode("utf-8", "replace")


def _replied(reply: Reply) -> bytes:
    return reply_code(f"{reply.code} {reply.status} {reply.text}")
