"""What answers in place of ClamAV and of c-icap where they are not installed?

Touches two ports of loopback. Both speak just as much of clamd's protocol and of ICAP as our
engines ask, and know one thing: the industry's test file, in plain sight. They are named as what
they are, in the engine's name, in its version and in what the demonstration says.

Source: clamd.8; RFC 3507 sections 4.5 and 4.10.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from cli.demonstration.mail import EICAR

THREAT = "Eicar-Test-Signature"
CONTENT_BYTES_MAX = 1 << 20  # of one message; the demonstration's mail is small
LINE_BYTES_MAX = 64  # of a command, and of a chunk's length
_ENDS = {b"z": b"\0", b"n": b"\n"}  # of a command and of its reply, by how the command begins
_LENGTH = struct.Struct("!I")
_TEST_FILE = EICAR.encode("ascii")

CLAMD_VERSION = b"ClamAV scripted-peer"
_TAG = b'ISTag: "scripted-peer"\r\n'
_OFFER = (
    b"ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nService: scripted peer\r\n"
    + _TAG
    + b"Preview: 1024\r\n"
    b"Allow: 204\r\nOptions-TTL: 3600\r\nEncapsulated: null-body=0\r\n\r\n"
)
_CONTINUE = b"ICAP/1.0 100 Continue\r\n\r\n"
_CLEAN = b"ICAP/1.0 204 No modifications needed\r\n" + _TAG + b"\r\n"
_FOUND = (
    b"ICAP/1.0 200 OK\r\n"
    + _TAG
    + f"X-Infection-Found: Type=0; Resolution=2; Threat={THREAT};\r\n".encode()
    + b"Encapsulated: res-hdr=0, null-body=26\r\n\r\nHTTP/1.0 403 Forbidden\r\n\r\n"
)
_PLACE = re.compile(rb"Encapsulated: req-hdr=0, res-hdr=[0-9]{1,6}, res-body=([0-9]{1,6})\r\n")

# How a session ends: the client goes, says what is not understood, or the demonstration is over.
_ENDING = (
    asyncio.CancelledError,
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
    KeyError,
    OSError,
    ValueError,
)

Session = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class ScriptedPeer:
    """A server that is no scanner.

    Args:
        session: serves one connection, until it raises or returns.
    """

    session: Session
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> str:
        """Listen on loopback, and return where."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=CONTENT_BYTES_MAX
        )
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def end(self) -> None:
        """Stop it, with all of its connections."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            with suppress(*_ENDING):
                await self.session(reader, writer)
        finally:
            writer.close()


async def clamd_session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as clamd does in session mode: each reply bears the number of its question."""
    number, in_session = 0, False
    while True:
        end = _ENDS[await reader.readexactly(1)]
        command = (await reader.readuntil(end))[:-1]
        if command == b"IDSESSION":
            in_session = True
            continue
        number += 1
        reply = await _clamd_reply(command, reader)
        writer.write((b"%d: " % number if in_session else b"") + reply + end)
        await writer.drain()
        if not in_session:
            return


async def _clamd_reply(command: bytes, reader: asyncio.StreamReader) -> bytes:
    match command:
        case b"PING":
            return b"PONG"
        case b"VERSION":
            return CLAMD_VERSION
        case b"STATS":
            return b"POOLS: 1\n\nTHREADS: live 1  idle 0 max 1 idle-timeout 30\nQUEUE: 0 items\nEND"
        case b"INSTREAM":
            return _verdict(await _chunks_of_clamd(reader))
        case _:
            return b"UNKNOWN COMMAND"


async def _chunks_of_clamd(reader: asyncio.StreamReader) -> bytes:
    content = bytearray()
    while length := int(_LENGTH.unpack(await reader.readexactly(_LENGTH.size))[0]):
        _check_room(content, length)
        content += await reader.readexactly(length)
    return bytes(content)


def _verdict(content: bytes) -> bytes:
    return f"stream: {THREAT} FOUND".encode() if _TEST_FILE in content else b"stream: OK"


async def icap_session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as an ICAP server does that wants to see a preview first, and then the rest."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"OPTIONS "):
            answer = _OFFER
        else:
            place = _PLACE.search(head)
            if place is None:
                raise ValueError("a RESPMOD whose parts have no place")
            await reader.readexactly(int(place[1]))
            content = bytearray()
            if not await _chunks_of_icap(reader, content) and b"\r\nPreview: " in head:
                writer.write(_CONTINUE)
                await _chunks_of_icap(reader, content)
            answer = _FOUND if _TEST_FILE in content else _CLEAN
        writer.write(answer)
        await writer.drain()


async def _chunks_of_icap(reader: asyncio.StreamReader, content: bytearray) -> bool:
    """Take a body, and say whether it is said that nothing follows it."""
    while True:
        line = await reader.readuntil(b"\r\n")
        if len(line) > LINE_BYTES_MAX:
            raise ValueError("a chunk without a length")
        length = int(line.partition(b";")[0], 16)
        _check_room(content, length)
        content += (await reader.readexactly(length + 2))[:-2]
        if not length:
            return b"ieof" in line


def _check_room(content: bytearray, length: int) -> None:
    if not 0 <= length <= CONTENT_BYTES_MAX - len(content):
        raise ValueError("more than the demonstration sends")
