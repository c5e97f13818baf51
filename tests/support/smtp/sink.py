"""What did the customer's mail server receive, octet by octet?

Touches sockets and a file. A small SMTP server of our own, because it must keep exact octets and
fail on command: what it does to a recipient is written in the local part (``Behaviour``), or set
on ``Sink.replies``. A line is in the log before the 250 that it stands for leaves.

Runs inside a test (an asynchronous context manager) or by itself:
``python -m tests.support.smtp.sink --port 2525 --log sink.jsonl``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from common.clock import Clock, SystemClock
from tests.support.network.ports import free_port
from tests.support.smtp.anatomy import cuts, digest, gid_of, take_apart

LINE_BYTES_MAX = 64 * 1024 * 1024  # a single line may be the whole of a large message
CAPABILITIES = ("PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")

_LOCAL = re.compile(r"(?P<when>late-)?(?P<what>refuse|defer|vanish)(?P<times>\d*)-")
_PATH = re.compile(rb"(?i)(?:FROM|TO):\s*<([^>]*)>(.*)")
_STRAY = re.compile(rb"\r(?!\n)|(?<!\r)\n|\x00")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a recipient's local part asks of the server.

    ``refuse-x`` answers 550 and ``defer-x`` 451 to RCPT; with ``late-`` before it the answer comes
    after the final dot. ``vanish-x`` takes the message and closes without an answer. A number after
    the word (``defer2-x``) does it only that many times, and then answers 250.
    """

    what: str = ""
    is_late: bool = False
    times: int = 0  # 0: always

    @classmethod
    def of(cls, address: str) -> Behaviour:
        """Return what ``address`` asks for."""
        match = _LOCAL.match(address)
        if match is None:
            return cls()
        late = bool(match["when"]) or match["what"] == "vanish"
        return cls(match["what"], late, int(match["times"] or 0))


REPLIES = {
    "refuse": "550 5.1.1 This mailbox refuses mail",
    "defer": "451 4.2.0 This mailbox is busy",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One message that the server took."""

    session: int
    helo: str
    sender: str
    recipients: tuple[str, ...]
    parameters: str  # of MAIL, as they came
    data: bytes  # unstuffed
    answered: bool  # the 250 was sent

    def line(self, time_us: int) -> dict[str, Any]:
        """Return what the log says of it."""
        anatomy = take_apart(self.data)
        return {
            "gid": gid_of(self.data),
            "session": self.session,
            "helo": self.helo,
            "sender": self.sender,
            "recipients": list(self.recipients),
            "parameters": self.parameters,
            "bytes": len(self.data),
            "sha256": digest(self.data),
            "cuts": cuts(self.data),
            "below_sha256": digest(anatomy.below),
            "header": [line.decode("latin-1") for line in anatomy.fields],
            "stray": bool(_STRAY.search(self.data)),
            "answered": self.answered,
            "time_us": time_us,
        }


@dataclass(slots=True)
class _Session:
    number: int
    helo: str = ""
    sender: str | None = None
    parameters: str = ""
    recipients: list[str] = field(default_factory=list)

    def reset(self) -> None:
        self.sender = None
        self.parameters = ""
        self.recipients = []


class Sink:
    """A customer's mail server.

    Args:
        host: the address to listen on.
        port: below 32768; 0 picks a free one, kept over ``stop`` and ``start``.
        log: JSON lines are appended there.
        keep: keep arrivals in ``arrivals``; a long run does not want them in memory.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        log: Path | None = None,
        keep: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.host = host
        self.port = port or free_port(host)
        self.arrivals: list[Arrival] = []
        self.lines: list[dict[str, Any]] = []
        self.sessions = 0
        self.sessions_at_once = 0  # the most of them at one time
        self.replies: dict[str, list[str]] = {}  # by address: answers to RCPT, used up in order
        self.greeting = "220 sink.example ESMTP"  # another one, such as 421 …, refuses the session
        self.hangs_up = False  # after each message that it took, as some servers do
        self._log_path = log
        self._log: TextIO | None = None
        self._keep = keep
        self._clock = clock or SystemClock()
        self._asked: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Condition()

    async def start(self) -> None:
        """Listen; after ``stop``, on the same port."""
        assert self._server is None
        if self._log_path is not None and self._log is None:
            self._log = self._log_path.open("a", encoding="utf-8")
        self._server = await asyncio.start_server(
            self._serve, self.host, self.port, limit=LINE_BYTES_MAX, reuse_address=True, backlog=512
        )

    @property
    def is_listening(self) -> bool:
        """Whether it is there for its customers now."""
        return self._server is not None

    async def stop(self) -> None:
        """Close the port and every connection, as a server that goes down does."""
        if self._server is None:
            return
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def close(self) -> None:
        """Stop, and close the log."""
        await self.stop()
        if self._log is not None:
            self._log.close()
            self._log = None

    async def wait_for(self, count: int, *, deadline_s: float = 30.0) -> list[Arrival]:
        """Return the arrivals once there are at least ``count``; needs ``keep``.

        Raises:
            AssertionError: the deadline passed before.
        """
        try:
            async with asyncio.timeout(deadline_s), self._news:
                await self._news.wait_for(lambda: len(self.arrivals) >= count)
        except TimeoutError:
            raise AssertionError(
                f"{len(self.arrivals)} of {count} messages arrived within {deadline_s} s"
            ) from None
        return self.arrivals

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.sessions += 1
        self.sessions_at_once = max(self.sessions_at_once, len(self._tasks))
        session = _Session(self.sessions)
        try:
            await _say(writer, self.greeting)
            while self.greeting.startswith("220") and await self._command(session, reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client is gone, or no client of ours
        except asyncio.CancelledError:
            pass  # ``stop``: the streams of 3.11 report a cancelled handler as an error
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _command(
        self, session: _Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one command; False once the session is over."""
        line = (await reader.readuntil(b"\r\n")).rstrip(b"\r\n")
        verb, _, rest = line.partition(b" ")
        match verb.upper():
            case b"EHLO":
                session.helo = rest.decode("latin-1")
                await _say(writer, "250", "sink.example", *CAPABILITIES)
            case b"HELO":
                session.helo = rest.decode("latin-1")
                await _say(writer, "250 sink.example")
            case b"MAIL":
                await _say(writer, self._mail(session, rest))
            case b"RCPT":
                await _say(writer, self._rcpt(session, rest))
            case b"DATA":
                return await self._data(session, reader, writer)
            case b"RSET":
                session.reset()
                await _say(writer, "250 2.0.0 Ok")
            case b"NOOP":
                await _say(writer, "250 2.0.0 Ok")
            case b"QUIT":
                await _say(writer, "221 2.0.0 Bye")
                return False
            case _:
                await _say(writer, "500 5.5.2 Unknown command")
        return True

    def _mail(self, session: _Session, rest: bytes) -> str:
        match = _PATH.fullmatch(rest)
        if match is None:
            return "501 5.5.4 MAIL FROM:<address>"
        session.reset()
        session.sender = match[1].decode("utf-8", "surrogateescape")
        session.parameters = match[2].decode("latin-1").strip()
        return "250 2.1.0 Ok"

    def _rcpt(self, session: _Session, rest: bytes) -> str:
        match = _PATH.fullmatch(rest)
        if match is None or session.sender is None:
            return "503 5.5.1 MAIL first, then RCPT TO:<address>"
        address = match[1].decode("utf-8", "surrogateescape")
        scripted = self.replies.get(address)
        reply = scripted.pop(0) if scripted else ""
        if not reply:
            behaviour = Behaviour.of(address)
            reply = REPLIES.get(behaviour.what, "") if not behaviour.is_late else ""
            if not reply or not self._due(address, behaviour):
                reply = "250 2.1.5 Ok"
        if reply.startswith("2"):
            session.recipients.append(address)
        return reply

    def _due(self, address: str, behaviour: Behaviour) -> bool:
        self._asked[address] += 1
        return not behaviour.times or self._asked[address] <= behaviour.times

    async def _data(
        self, session: _Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if session.sender is None or not session.recipients:
            await _say(writer, "503 5.5.1 No valid recipients")
            return True
        await _say(writer, "354 End with a dot on a line by itself")
        data = await _read_data(reader)
        late = [
            behaviour.what
            for address in session.recipients
            if (behaviour := Behaviour.of(address)).is_late and self._due(address, behaviour)
        ]
        refused = next((REPLIES[what] for what in late if what in REPLIES), "")
        if refused:
            await _say(writer, refused)
        else:
            await self._take(session, data, answered="vanish" not in late)
            if "vanish" in late:
                return False
            await _say(writer, f"250 2.0.0 Ok: taken as {session.number}.{len(data)}")
        session.reset()
        return bool(refused) or not self.hangs_up

    async def _take(self, session: _Session, data: bytes, *, answered: bool) -> None:
        assert session.sender is not None
        arrival = Arrival(
            session=session.number,
            helo=session.helo,
            sender=session.sender,
            recipients=tuple(session.recipients),
            parameters=session.parameters,
            data=data,
            answered=answered,
        )
        line = arrival.line(self._clock.now_us())
        if self._log is not None:
            # Before the 250: a message that was answered for must stand in the log.
            self._log.write(json.dumps(line, separators=(",", ":")) + "\n")
            self._log.flush()
        if self._keep:
            self.lines.append(line)
            async with self._news:
                self.arrivals.append(arrival)
                self._news.notify_all()


async def _read_data(reader: asyncio.StreamReader) -> bytes:
    """Return the octets up to the final dot, unstuffed (RFC 5321 section 4.5.2)."""
    data = bytearray()
    while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
        data += line[1:] if line.startswith(b".") else line
    return bytes(data)


async def _say(writer: asyncio.StreamWriter, reply: str, *more: str) -> None:
    """Send a reply of one line, or the code ``reply`` with several lines of text."""
    lines = [f"{reply}-{text}" for text in more[:-1]] + [f"{reply} {more[-1]}"] if more else [reply]
    writer.write("".join(f"{line}\r\n" for line in lines).encode())
    await writer.drain()


async def _main(arguments: argparse.Namespace) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    sink = Sink(host=arguments.host, port=arguments.port, log=arguments.log, keep=False)
    async with sink:
        print(f"sink: listening on {sink.host}:{sink.port}", flush=True)
        await ended.wait()


def main(argv: list[str]) -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="tests.support.smtp.sink")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    asyncio.run(_main(parser.parse_args(argv)))


if __name__ == "__main__":
    main(sys.argv[1:])
