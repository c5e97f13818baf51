"""A clamd that does what a test tells it to, on a Unix socket.

It speaks the session mode as the real one does; tests/integration/test_clamd_fake.py asks both
the same questions.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

STATS = b"POOLS: 1\n\nTHREADS: live 1  idle 0 max 10 idle-timeout 30\nQUEUE: 0 items\nEND"
VERSION = b"ClamAV 1.4.6/27807/Tue Nov 24 08:00:00 2026"

Content = bytes
Say = Callable[[bytes], Awaitable[None]]


class Hang(Exception):
    """Answer nothing, and keep the connection."""


class Close(Exception):
    """Answer nothing, and close the connection."""


class ScriptedClamd:
    """Calls ``script(content)`` for each INSTREAM and sends what it returns.

    Args:
        path: of its socket.
        script: gives the reply, without number and NUL; or raises ``Hang`` or ``Close``. It may be
            a coroutine function.
        prefix: before each reply to INSTREAM in a session; ``{}`` is the number of the question.
        piece_bytes: sends replies in pieces of this size; 0: whole.
        read_bytes_max: stops reading a message here, answers and closes, as StreamMaxLength does.
        end: after each reply, in place of what the command itself ended with.
        version: what it says to VERSION; empty: ``VERSION``.

    It takes no open files (FILDES), and counts those that it was offered.
    """

    def __init__(
        self,
        path: Path,
        script: Callable[[Content], bytes | Awaitable[bytes]],
        *,
        prefix: str = "{}: ",
        piece_bytes: int = 0,
        read_bytes_max: int | None = None,
        end: bytes = b"",
        version: bytes = b"",
    ) -> None:
        self.path = path
        self.address = f"unix:{path}"
        self.connections = 0
        self.commands: set[bytes] = set()  # all that it was told
        self.descriptors_offered = 0
        self.received = asyncio.Event()
        self._script = script
        self._prefix = prefix
        self._piece_bytes = piece_bytes
        self._read_bytes_max = read_bytes_max
        self._end = end
        self._version = version
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.drop()
        self.path.unlink(missing_ok=True)

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
            with suppress(asyncio.IncompleteReadError, OSError, Close, asyncio.CancelledError):
                await self._session(reader, writer)
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, in_session = 0, False
        while True:
            command, end = await self._command(reader)
            self.commands.add(command)
            if command == b"IDSESSION":
                in_session = True
                continue
            if command == b"END":
                return
            number += 1
            reply = await self._reply(command, reader)
            shape = self._prefix if command == b"INSTREAM" else "{}: "
            prefix = shape.format(number, number) if in_session else ""
            await self._send(writer, prefix.encode() + reply + (self._end or end))
            if not in_session or reply.startswith(b"INSTREAM size limit"):
                return

    @staticmethod
    async def _command(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        """Return the next command and the octet that ends it, and shall end its reply."""
        mode = await reader.readexactly(1)
        end = {b"z": b"\0", b"n": b"\n"}[mode]
        return (await reader.readuntil(end))[:-1], end

    async def _reply(self, command: bytes, reader: asyncio.StreamReader) -> bytes:
        match command:
            case b"PING":
                return b"PONG"
            case b"VERSION":
                return self._version or VERSION
            case b"STATS":
                return STATS
            case b"FILDES":
                await reader.readexactly(1)  # the octet that the descriptor goes with
                self.descriptors_offered += 1
                return b"No file descriptor received. ERROR"
            case b"INSTREAM":
                return await self._scanned(reader)
            case _:
                return b"UNKNOWN COMMAND"

    async def _scanned(self, reader: asyncio.StreamReader) -> bytes:
        content = bytearray()
        while length := struct.unpack("!I", await reader.readexactly(4))[0]:
            self.received.set()
            if self._read_bytes_max is not None and len(content) + length > self._read_bytes_max:
                return b"INSTREAM size limit exceeded. ERROR"
            content += await reader.readexactly(length)
        try:
            said = self._script(bytes(content))
            return said if isinstance(said, bytes) else await said
        except Hang:
            await asyncio.Event().wait()
            raise

    async def _send(self, writer: asyncio.StreamWriter, reply: bytes) -> None:
        size = self._piece_bytes or len(reply)
        for offset in range(0, len(reply), size):
            writer.write(reply[offset : offset + size])
            await writer.drain()
            await asyncio.sleep(0)


def number_in(content: bytes) -> int:
    """Return the number of a ``numbered_sample``."""
    found = re.search(rb"number (\d+) ", content)
    assert found is not None
    return int(found[1])
