"""How does the worst mail server that one can meet answer?

Touches a loopback port. ``NextHop`` speaks SMTP as it should, but for what its script says: each
verb may be answered with any octets, after which it goes on, closes or stalls. What it took is kept
octet by octet.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

DRIP_S = 0.1  # between octets
READ_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Say:
    """Octets to send, and what to do then.

    ``go`` on, ``close``, ``stall`` (read and say nothing), be ``deaf`` (do not even read),
    ``drip``: the octets come one by one, each long before anybody's patience ends; or ``wait``: it
    says them, and goes on, once the test calls ``go_on``.
    """

    data: bytes = b""
    then: str = "go"


CLOSE = Say(then="close")
STALL = Say(then="stall")

Answer = bytes | Say | Callable[[str], bytes | Say]

_USUAL: dict[str, Answer] = {
    "greeting": b"220 hop.example ESMTP\r\n",
    "EHLO": b"250-hop.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE\r\n",
    "HELO": b"250 hop.example\r\n",
    "MAIL": b"250 2.1.0 Ok\r\n",
    "RCPT": b"250 2.1.5 Ok\r\n",
    "DATA": b"354 go\r\n",
    "dot": b"250 2.0.0 Taken\r\n",
    "RSET": b"250 2.0.0 Ok\r\n",
    "QUIT": Say(b"221 2.0.0 Bye\r\n", "close"),
    "STARTTLS": b"502 5.5.1 No\r\n",
}


@dataclass(slots=True, kw_only=True)
class Taken:
    """One message that was taken up to its final dot."""

    session: int
    mail: str  # the whole command
    recipients: tuple[str, ...]
    data: bytes  # unstuffed


@dataclass(slots=True)
class _Conversation:
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    mail: str = ""
    recipients: list[str] = field(default_factory=list)
    rest: bool = True


class NextHop:
    """A scripted server.

    Args:
        script: answers by verb; ``greeting`` and ``dot`` are verbs too. A function gets the line.
        tls: what STARTTLS is done with after a 220.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        **script: Answer,
    ) -> None:
        self.host = host
        self.port = port
        self.script: dict[str, Answer] = _USUAL | script
        self.taken: list[Taken] = []
        self.lines: list[str] = []  # all commands of all sessions
        self.sessions = 0
        self.open_sessions = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Condition()
        self._may_go_on = asyncio.Event()

    @property
    def verbs(self) -> list[str]:
        """The verbs of all commands, in order."""
        return [line.split(" ")[0].split(":")[0] for line in self.lines]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; after ``stop``, on the same port."""
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, limit=READ_BYTES_MAX, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def go_on(self) -> None:
        """Let all go on that wait, now and later."""
        self._may_go_on.set()

    async def until(self, claim: Callable[[], bool]) -> None:
        """Return once something is so that changes when a command or a message comes."""
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(claim)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.sessions += 1
        self.open_sessions += 1
        talk = _Conversation(self.sessions, reader, writer)
        try:
            await self._tell()
            if await self._answer(talk, "greeting", ""):
                while await self._command(talk):
                    pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass  # whoever called is gone, or the test is over
        finally:
            self._tasks.discard(task)
            self.open_sessions -= 1
            talk.writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError, OSError):
                await talk.writer.wait_closed()
            await self._tell()

    async def _command(self, talk: _Conversation) -> bool:
        line = (await talk.reader.readuntil(b"\r\n"))[:-2].decode("utf-8")
        self.lines.append(line)
        await self._tell()
        verb = line.split(" ")[0].split(":")[0].upper()
        if verb == "MAIL":
            talk.mail, talk.recipients = line, []
        if not await self._answer(talk, verb, line):
            return False
        if verb == "DATA" and self._reply("DATA", line).data.startswith(b"354"):
            return await self._data(talk)
        if verb == "STARTTLS" and self._reply("STARTTLS", line).data.startswith(b"220"):
            assert self._tls is not None
            await talk.writer.start_tls(self._tls)
        return True

    async def _data(self, talk: _Conversation) -> bool:
        data = bytearray()
        while (line := await talk.reader.readuntil(b"\r\n")) != b".\r\n":
            data += line[1:] if line.startswith(b".") else line
        self.taken.append(
            Taken(
                session=talk.number,
                mail=talk.mail,
                recipients=tuple(talk.recipients),
                data=bytes(data),
            )
        )
        await self._tell()
        return await self._answer(talk, "dot", "")

    async def _answer(self, talk: _Conversation, verb: str, line: str) -> bool:
        reply = self._reply(verb, line)
        if verb == "RCPT" and reply.data.startswith(b"2"):
            talk.recipients.append(line.partition("<")[2].partition(">")[0])
        if reply.then == "drip":
            for octet in reply.data:
                talk.writer.write(bytes([octet]))
                await asyncio.sleep(DRIP_S)
            return True
        if reply.then == "wait":
            await self._may_go_on.wait()
        talk.writer.write(reply.data)
        await talk.writer.drain()
        if reply.then == "deaf":
            talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.Event().wait()  # until the server stops
        if reply.then == "stall":
            await talk.reader.read()  # until the other side gives up
        return reply.then in ("go", "wait")

    def _reply(self, verb: str, line: str) -> Say:
        answer = self.script.get(verb, b"500 5.5.2 What\r\n")
        if callable(answer):
            answer = answer(line)
        return answer if isinstance(answer, Say) else Say(answer)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()
