"""A server on loopback that says what a test tells it to, for filters that ask one.

It speaks no protocol of its own: it hears what a test lets it hear, and answers with octets. What
stands in them is what the documented servers say; where a real one can be installed, a test asks
that one too.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

Hears = Callable[[asyncio.StreamReader], Awaitable[bytes]]

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")


async def hear_request(reader: asyncio.StreamReader) -> bytes:
    """Return one request with a header and as much as its Content-Length says."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head + (await reader.readexactly(int(length[1])) if length is not None else b"")


async def hear_all(reader: asyncio.StreamReader) -> bytes:
    """Return all until the client has said everything."""
    return await reader.read()


class Hang(Exception):
    """Answer nothing, and keep the connection."""


class ScriptedScorer:
    """Answers each question with what ``answer`` returns for it.

    Args:
        answer: gives the octets; or raises ``Hang``. Empty: the connection is closed.
        hears: what a question is.
        keeps: whether a connection stays open for another question.
        tls: how it is encrypted; None: it is not.
    """

    def __init__(
        self,
        answer: Callable[[bytes], bytes],
        *,
        hears: Hears = hear_request,
        keeps: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.questions: list[bytes] = []
        self.connections = 0
        self.address = ""
        self.answer = answer
        self._hears = hears
        self._keeps = keeps
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
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
                await self._answer_all(reader, writer)
        finally:
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            question = await self._hears(reader)
            self.questions.append(question)
            try:
                said = self.answer(question)
            except Hang:
                await asyncio.Event().wait()
                return
            writer.write(said)
            await writer.drain()
            if not self._keeps or not said:
                return


def http(body: bytes, *, status: str = "200 OK", more: str = "") -> bytes:
    """Return an HTTP reply."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
