"""An ICAP server that does what a test tells it to, on a port of loopback.

It is strict: a request whose parts do not lie where its head says they do is an error, as with the
parsers of the products. tests/integration/test_icap_real.py asks a real server the same questions.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.support.network.ports import free_port

ISTAG = "CI0001-L5CkDhq+qWNs+PZ5DxxXsAAA"
OFFER = (
    b"ICAP/1.0 200 OK\r\nMethods: RESPMOD, REQMOD\r\n"
    b'Service: C-ICAP/0.5.10 server - Antivirus service\r\nISTag: "' + ISTAG.encode() + b'"\r\n'
    b"Transfer-Preview: *\r\nOptions-TTL: 3600\r\nDate: Sun, 29 Nov 2026 05:55:27 GMT\r\n"
    b"Preview: 1024\r\nAllow: 204\r\nEncapsulated: null-body=0\r\n\r\n"
)
CLEAN = (
    b"ICAP/1.0 204 Unmodified\r\nServer: C-ICAP/0.5.10\r\nConnection: keep-alive\r\n"
    b'ISTag: "' + ISTAG.encode() + b'"\r\n\r\n'
)
CONTINUE = b"ICAP/1.0 100 Continue\r\n\r\n"
CLOSES = re.compile(rb"^ICAP/1\.[^\r]*\r\n(?:[^\r]+\r\n)*?Connection: close\r\n", re.IGNORECASE)


class Hang(Exception):
    """Answer nothing, and keep the connection."""


class ScriptedIcap:
    """Calls ``script(content)`` for each message, and sends what it returns.

    Args:
        script: gives the answer's octets; none: the connection is closed. May raise ``Hang``.
        port: to listen on; 0: a free one.
        offer: the answer to OPTIONS.
        at_preview: the answer to a preview, in place of asking for the rest.
        tls: what it answers TLS with, from the first octet on; None: it speaks in the open.
        is_blind: it gives that answer to our own message too, which else it looks at.
        piece_bytes: sends answers in pieces of this size; 0: whole.
        read_bytes_max: answers as soon as it has so much of the message, and reads on no more.
    """

    def __init__(
        self,
        script: Callable[[bytes], bytes],
        *,
        port: int = 0,
        offer: bytes = OFFER,
        at_preview: bytes | None = None,
        is_blind: bool = False,
        tls: ssl.SSLContext | None = None,
        piece_bytes: int = 0,
        read_bytes_max: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.offer = offer
        self.connections = 0
        self.offers_asked = 0
        self.requests: list[bytes] = []  # heads of RESPMOD, with the HTTP heads in them
        self.contents: list[bytes] = []
        self.received = asyncio.Event()
        self._script = script
        self._at_preview = at_preview
        self._is_blind = is_blind
        self._tls = tls
        self._piece_bytes = piece_bytes
        self._read_bytes_max = read_bytes_max
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, ssl=self._tls
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.drop()

    async def drop(self) -> None:
        """Close every connection, and go on listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        try:
            with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
                while await self._answered(reader, writer):
                    pass
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; say whether the connection stays."""
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"OPTIONS"):
            self.offers_asked += 1
            return await self._send(writer, self.offer)
        place = re.search(rb"Encapsulated: req-hdr=0, res-hdr=(\d+), res-body=(\d+)\r\n", head)
        assert place is not None
        request = await reader.readexactly(int(place[1]))
        answer = await reader.readexactly(int(place[2]) - int(place[1]))
        for part in (request, answer):
            if part.find(b"\r\n\r\n") != len(part) - 4 or part.startswith(b"Content"):
                return await self._send(writer, b"ICAP/1.0 400 Bad request\r\n\r\n")
        self.requests.append(head + request + answer)
        self.received.set()
        content, is_all = await self._body(reader)
        if b"\r\nPreview: " in head and not is_all:
            is_skipped = self._is_blind or b"Is anybody there?" not in content
            if self._at_preview is not None and is_skipped:
                return await self._send(writer, self._at_preview)
            writer.write(CONTINUE)
            content += (await self._body(reader))[0]
        self.contents.append(content)
        try:
            return await self._send(writer, self._script(content))
        except Hang:
            await asyncio.Event().wait()
            raise

    async def _body(self, reader: asyncio.StreamReader) -> tuple[bytes, bool]:
        """Return a body in chunks, and whether it says that nothing is left."""
        content = bytearray()
        while True:
            line = (await reader.readuntil(b"\r\n"))[:-2]
            length = int(line.partition(b";")[0], 16)
            content += (await reader.readexactly(length + 2))[:-2]
            if length == 0:
                return bytes(content), b"ieof" in line
            if self._read_bytes_max is not None and len(content) > self._read_bytes_max:
                return bytes(content), True

    async def _send(self, writer: asyncio.StreamWriter, answer: bytes) -> bool:
        size = self._piece_bytes or len(answer) or 1
        for offset in range(0, len(answer), size):
            writer.write(answer[offset : offset + size])
            await writer.drain()
            await asyncio.sleep(0)
        return bool(answer) and CLOSES.match(answer) is None


def says(answer: bytes) -> Callable[[bytes], bytes]:
    return lambda _: answer


def icap(status: str, *fields: str | bytes, http: bytes = b"", body: bytes | None = None) -> bytes:
    """Return an answer whose parts lie where it says.

    Args:
        status: such as ``200 OK``.
        fields: lines of its head.
        http: the head of the HTTP answer in it, blank line included.
        body: of that answer; None: it has none.
    """
    lines = [f"ICAP/1.0 {status}".encode(), *(_octets(field) for field in fields)]
    if http:
        kind = b"null-body" if body is None else b"res-body"
        lines.append(b"Encapsulated: res-hdr=0, %b=%d" % (kind, len(http)))
    chunked = b"" if body is None else (b"%x\r\n%b\r\n" % (len(body), body) if body else b"")
    end = b"" if body is None else b"0\r\n\r\n"
    return b"\r\n".join([*lines, b"", b""]) + http + chunked + end


def _octets(field: str | bytes) -> bytes:
    return field if isinstance(field, bytes) else field.encode()
