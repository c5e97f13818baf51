"""How is a message shown to an ICAP server, over a connection that is kept?

Touches one connection, for one exchange at a time. Everything that comes is bounded; a message that
comes back is compared as it comes, and not kept.

Source: RFC 3507 sections 4.5, 4.6 and 4.10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from satellite.scanning.icap import requests
from satellite.scanning.icap.heads import (
    CHUNK_LINE_BYTES_MAX,
    HEAD_BYTES_MAX,
    AnswerHead,
    Malformed,
    chunk_bytes,
    encapsulated,
    head,
)
from satellite.scanning.icap.meaning import IcapAnswer, ReturnedBody
from satellite.scanning.icap.requests import Showing
from satellite.scanning.sample import Sample
from satellite.scanning.sessions import connection
from satellite.scanning.sessions.connection import Misunderstood, ServerConnection, SessionEnded

RECEIVE_BYTES = 65_536
RECEIVED_BYTES_MAX = 2 * HEAD_BYTES_MAX
CONTINUE = 100
BLANK_LINE = b"\r\n\r\n"


async def connect(
    address: str,
    *,
    connect_s: float = connection.CONNECT_S,
    encryption: connection.Encryption | None = None,
) -> IcapSession:
    """Return a new session.

    Args:
        address: ``HOST:PORT``.
        connect_s: how long it may take.
        encryption: how it is encrypted; None: it is not.

    Raises:
        ServerUnreachable: nobody listens there, or not whom we look for.
    """
    return IcapSession(
        await connection.connect(
            address,
            receive_bytes=RECEIVE_BYTES,
            received_bytes_max=RECEIVED_BYTES_MAX,
            connect_s=connect_s,
            encryption=encryption,
        )
    )


class IcapSession:
    """One connection.

    Attributes:
        is_usable: the last exchange came to its proper end, so that another one may follow.
        is_fresh: nothing has been asked in it yet.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self.is_usable = True
        self.is_fresh = True
        self._keeps = False  # the answer to the last exchange leaves the connection open
        self._connection = connection

    async def options(self, request: bytes) -> AnswerHead:
        """Return the head of the answer to OPTIONS.

        Raises:
            SessionEnded, Misunderstood: there is none.
        """
        self._begin()
        icap = await self._told(iter([request]), about_bytes=len(request))
        body = icap.first("encapsulated") or "null-body=0"
        self._end(icap, is_whole=icap.status == 200 and body == "null-body=0")
        return icap

    async def ask(self, question: Showing, sample: Sample) -> IcapAnswer:
        """Return the heads of the answer for one message.

        Raises:
            SessionEnded, Misunderstood: there is none.
            SampleUnreadable: the sample cannot be read.
        """
        self._begin()
        if question.preview_bytes is not None:
            about = len(question.head) + question.preview_bytes
            icap = await self._told(requests.preview(question, sample), about_bytes=about)
            if not sample.size or icap.status != CONTINUE:
                # What answers an empty message answers the whole.
                return await self._answer(icap, saw_all=not sample.size)
        icap = await self._told(requests.rest(question, sample), about_bytes=sample.size)
        return await self._answer(icap, saw_all=self._connection.sent_all)

    async def body(self, answer: IcapAnswer, sample: Sample) -> ReturnedBody:
        """Return whether the message came back as it was, behind the heads of an answer.

        Raises:
            SessionEnded, Misunderstood: it is no body, or half of one.
            SampleUnreadable: the sample cannot be read.
        """
        if not answer.has_body:
            return ReturnedBody.CHANGED if sample.size else ReturnedBody.SAME
        offset = 0
        while length := await self._chunk_line():
            end = offset + length
            if end > sample.size:
                return ReturnedBody.CHANGED  # and the session is not used again
            while offset < end:
                some = await self._some(end - offset)
                if next(sample.chunks(offset, offset + len(some))) != some:
                    return ReturnedBody.CHANGED
                offset += len(some)
            await self._line_end()
        await self._line_end()  # no trailer: we did not say that we take any
        self.is_usable = self._keeps and not self._connection.received
        return ReturnedBody.SAME if offset == sample.size else ReturnedBody.CHANGED

    def is_silent(self) -> bool:
        """Say whether nothing has come since the last answer, an end of the session included."""
        return self._connection.is_silent()

    def close(self) -> None:
        """Close it now; synchronous, and may be repeated."""
        self.is_usable = False
        self._connection.close()

    def _begin(self) -> None:
        assert self.is_usable
        self.is_usable = False  # until this exchange has come to its proper end
        self.is_fresh = False
        self._keeps = False

    def _end(self, icap: AnswerHead, *, is_whole: bool) -> None:
        """Take the session for usable if its answer is whole and nothing speaks against it."""
        closes = "close" in icap.first("connection").lower()
        self._keeps = self._connection.sent_all and not closes
        self.is_usable = self._keeps and is_whole and not self._connection.received

    async def _answer(self, icap: AnswerHead, *, saw_all: bool) -> IcapAnswer:
        """Return the answer that a head begins; what is wrong behind it does not undo the head."""
        if icap.status == CONTINUE:
            raise Misunderstood("it asked for the rest of a message that it had")
        if icap.status not in (200, 204):
            return IcapAnswer(icap=icap, saw_all=saw_all)
        try:
            inside = encapsulated(icap)
            http = await self._http(inside.head_bytes) if inside.head_bytes else None
        except (Malformed, SessionEnded) as error:
            return IcapAnswer(icap=icap, saw_all=saw_all, fault=error.what)
        fault = "it says 204, and brings something" if icap.status == 204 and http else ""
        has_body = inside.has_body
        self._end(icap, is_whole=not has_body and not fault)
        return IcapAnswer(
            icap=icap, http=http, has_body=inside.has_body, saw_all=saw_all, fault=fault
        )

    async def _head(self, protocol: str) -> AnswerHead:
        received = self._connection.received
        while (end := received.find(BLANK_LINE, 0, HEAD_BYTES_MAX)) < 0:
            if len(received) >= HEAD_BYTES_MAX:
                raise Misunderstood("it gave a head without an end")
            await self._more()
        octets = self._taken(end + len(BLANK_LINE))
        try:
            return head(octets, protocol=protocol)
        except Malformed as error:
            raise Misunderstood(error.what) from None

    async def _http(self, length: int) -> AnswerHead:
        while len(self._connection.received) < length:
            await self._more()
        octets = self._taken(length)
        if octets.find(BLANK_LINE) != length - len(BLANK_LINE):
            raise Malformed("an HTTP head that does not end where it should")
        return head(octets, protocol="HTTP")

    async def _chunk_line(self) -> int:
        received = self._connection.received
        while (end := received.find(b"\r\n", 0, CHUNK_LINE_BYTES_MAX)) < 0:
            if len(received) >= CHUNK_LINE_BYTES_MAX:
                raise Misunderstood("it gave no chunk")
            await self._more()
        try:
            return chunk_bytes(self._taken(end + 2)[:-2])
        except Malformed as error:
            raise Misunderstood(error.what) from None

    async def _some(self, length_max: int) -> bytes:
        if not self._connection.received:
            await self._more()
        return self._taken(length_max)

    async def _line_end(self) -> None:
        while len(self._connection.received) < 2:
            await self._more()
        if self._taken(2) != b"\r\n":
            raise Misunderstood("it gave a chunk that is longer than it said")

    def _taken(self, length: int) -> bytes:
        received = self._connection.received
        taken = bytes(received[:length])
        del received[:length]
        return taken

    async def _more(self) -> None:
        if not await self._connection.more():
            raise SessionEnded("it closed the connection in the middle of its answer")

    async def _told(self, pieces: Iterator[bytes], *, about_bytes: int) -> AnswerHead:
        """Return the head of the answer to what is sent."""
        return await self._connection.exchange(
            pieces, self._icap_head, about_bytes=about_bytes, name="icap.send"
        )

    async def _icap_head(self) -> AnswerHead:
        icap = await self._head("ICAP")
        if not self._connection.sent_all:
            await asyncio.sleep(0)  # who sent the last octet has his turn to say so
        return icap
