"""How does a test talk to a front end, octet by octet?

Touches loopback sockets. The intake is a list in memory with the spool's interface; a test of the
front end against the real spool holds the two together.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from common.envelope import Envelope
from common.ids import MessageId, ulid
from common.preferences import Document, Kind, Preferences
from common.preferences.documents import NOTHING, canonical_json
from common.records import RefusedRecord
from common.settings.satellite import SatelliteSettings
from common.states import State
from satellite.next_hop import NextHopOffer
from satellite.smtp.backpressure import Backpressure
from satellite.smtp.connection import Connection
from satellite.smtp.intake import PutsOff, ScanBeforeAnswer, Verification, puts_nobody_off
from satellite.smtp.server import FrontEnd
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Judgement, Origin, Recipient, Stored
from tests.support.clock import START_US, FakeClock
from tests.support.smtp.lone_front_end import Backlog, lone_front_end

DEADLINE_S = 20.0  # for anything that a test waits for; never reached when all is well
HOSTNAME = "mx1.scout.example"
MAIL_DOMAIN = "mx.scout.example"


@dataclass
class Taken:
    """One message that the fake intake has."""

    id: MessageId
    envelope: Envelope
    trace: bytes
    body: bytes
    judgement: Judgement | None = None


class FakeEntry:
    """One message that is being received."""

    def __init__(self, intake: FakeIntake, number: int) -> None:
        self.id = MessageId(ulid(now_us=START_US + number * 1000, randomness=bytes(10)))
        self._intake = intake
        self._body = bytearray()
        self.abandoned = False

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._intake.write_error is not None:
            raise self._intake.write_error
        self._body += chunk

    def offered(self, *, envelope: Envelope, trace: bytes) -> tuple[Stored, Body]:
        recipients = tuple(
            Recipient(number=number, address=address, state=State.RECEIVED)
            for number, address in enumerate(envelope.recipients)
        )
        stored = Stored(
            id=self.id,
            origin=Origin.SMTP,
            envelope=envelope,
            received_us=START_US,
            age_us=0,
            size=len(self._body),
            sha256=hashlib.sha256(self._body).digest(),
            trace=trace,
            revision=0,
            subject="",
            scans=0,
            recipients=recipients,
            copies=(),
            in_file=False,
        )
        return stored, Body(size=len(self._body), data=bytes(self._body))

    async def commit(
        self, *, envelope: Envelope, trace: bytes, judgement: Judgement | None = None
    ) -> None:
        self._intake.committing.set()
        await self._intake.may_commit.wait()
        if self._intake.commit_error is not None:
            raise self._intake.commit_error
        self._intake.taken.append(Taken(self.id, envelope, trace, bytes(self._body), judgement))

    async def reject(self, *, envelope: Envelope, trace: bytes, judgement: Judgement) -> None:
        if self._intake.commit_error is not None:
            raise self._intake.commit_error
        self._intake.rejected.append(Taken(self.id, envelope, trace, bytes(self._body), judgement))

    def abandon(self) -> None:
        self.abandoned = True
        self._body.clear()


class FakeIntake:
    """Where mail goes in these tests. Errors are raised wherever one is set."""

    def __init__(self, preferences: Preferences) -> None:
        self.preferences = preferences
        self.taken: list[Taken] = []
        self.rejected: list[Taken] = []
        self.entries: list[FakeEntry] = []
        self.why_not: str | None = None
        self.begin_error: Exception | None = None
        self.write_error: Exception | None = None
        self.commit_error: Exception | None = None
        self.committing = asyncio.Event()
        self.may_commit = asyncio.Event()
        self.may_commit.set()

    def begin(self) -> FakeEntry:
        if self.begin_error is not None:
            raise self.begin_error
        entry = FakeEntry(self, len(self.entries))
        self.entries.append(entry)
        return entry

    def refusal(self) -> str | None:
        return self.why_not


def some_preferences() -> Preferences:
    """``acme.example`` and ``bücher.example`` take any mailbox, ``listed.example`` only x."""

    def route(domain: str, **more: Any) -> Document:
        body = {"customer": "acme", "deliver_to": ["mail.acme.example:25"], **more}
        return Document(Kind.ROUTE, domain, 1, canonical_json(body))

    return Preferences.from_documents(
        [
            route("acme.example"),
            route("xn--bcher-kva.example"),
            route("listed.example", recipients="listed"),
            route("probed.example", recipients="probe"),
            Document(Kind.RECIPIENT, "x@listed.example", 1, b"{}"),
        ],
        position=NOTHING,
    )


def some_settings(**smtp: Any) -> SatelliteSettings:
    """Return settings of a node, with these of its front end."""
    return SatelliteSettings.model_validate(
        {
            "cluster": "example",
            "node": "lon1",
            "site": "london",
            "hostname": HOSTNAME,
            "mail_domain": MAIL_DOMAIN,
            "metrics": "127.0.0.1:9",
            "core": {"address": "127.0.0.1:9", "certificate": "c", "key": "k", "authority": "a"},
            "smtp": {"listen": ["127.0.0.1:25"], **smtp},
        }
    )


@dataclass
class RunningFrontEnd:
    """A front end that listens, and everything around it."""

    front: FrontEnd
    intake: FakeIntake
    clock: FakeClock
    registry: CollectorRegistry
    host: str
    port: int
    backlog: Backlog

    @property
    def backpressure(self) -> Backpressure:
        return self.front._backpressure

    def count(self, name: str, **labels: str) -> float:
        """Return a metric's value; 0 when it was never counted."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def refused(self) -> list[RefusedRecord]:
        """Return what was refused and not told yet, sums too."""
        return self.front._refusal_log.due(now_s=0.0, is_behind=False, at_once=True)

    @property
    def connection(self) -> Connection:
        """The one that is open."""
        (connection,) = self.connections
        return connection

    @property
    def connections(self) -> list[Connection]:
        """Those that are open."""
        assert self.front._sessions is not None
        return [one for one in self.front._sessions.connections if isinstance(one, Connection)]

    @property
    def data_octets(self) -> int:
        """How much message data the front end has read in the open window."""
        return self.connection._timeouts._octets

    @property
    def command_octets(self) -> int:
        """How much of a command line that is not whole yet the front end has read."""
        return len(self.connection._lines.octets)

    @property
    def is_held_up(self) -> bool:
        """True while the front end waits for the client to read."""
        return bool(vars(self.connection)["_paused"])

    @asynccontextmanager
    async def client(self, source: str = "") -> AsyncIterator[Talk]:
        """Connect, from another address of loopback if one is named."""
        talk = await Talk.connect(self.host, self.port, source=source)
        try:
            yield talk
        finally:
            await talk.close()


@asynccontextmanager
async def front_end(
    *,
    host: str = "127.0.0.1",
    send_buffer: int | None = None,
    scan_before_answer: ScanBeforeAnswer | None = None,
    refuses_mail_for: Callable[[str], bool] = lambda address: False,
    offered_for: Callable[[str], NextHopOffer | None] = lambda address: None,
    verification: Verification | None = None,
    puts_off: PutsOff = puts_nobody_off,
    **smtp: Any,
) -> AsyncIterator[RunningFrontEnd]:
    """Run a front end with a fake intake and a fake clock.

    Args:
        send_buffer: how much the kernel holds of what a client does not read, in octets.
        scan_before_answer: scans before the answer.
        refuses_mail_for: says of a recipient that its mail would be held, and too much.
        offered_for: what a recipient's next hop offered.
        verification: knows which recipients of ``probed.example`` there are.
        puts_off: says why a recipient is put off.
    """
    intake = FakeIntake(some_preferences())
    clock = FakeClock()
    registry = CollectorRegistry()
    backlog = Backlog()
    server = lone_front_end(
        intake,
        some_settings(**smtp),
        clock,
        registry,
        backlog=backlog,
        scan_before_answer=scan_before_answer,
        refuses_mail_for=refuses_mail_for,
        offered_for=offered_for,
        verification=verification,
        puts_off=puts_off,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if send_buffer is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listening.bind((host, 0))
    port = listening.getsockname()[1]
    front = RunningFrontEnd(server, intake, clock, registry, host, port, backlog)
    await server.start([listening])
    try:
        yield front
    finally:
        intake.may_commit.set()
        drained = asyncio.ensure_future(server.drain(0.0))
        await asyncio.wait_for(drained, DEADLINE_S)


class Talk:
    """A client that sends exact octets and hides nothing that it hears."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(
        cls, host: str, port: int, *, receive_buffer: int | None = None, source: str = ""
    ) -> Talk:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setblocking(False)
        if source:
            sock.bind((source, 0))
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, (host, port))
        reader, writer = await asyncio.open_connection(sock=sock)
        return cls(reader, writer)

    async def send(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()

    async def reply(self) -> str:
        """Return one whole reply, its lines joined by a line feed; empty when the server left."""
        lines: list[str] = []
        async with asyncio.timeout(DEADLINE_S):
            while True:
                raw = await self._reader.readline()
                if not raw:
                    return "\n".join(lines)
                assert raw.endswith(b"\r\n"), raw
                lines.append(raw[:-2].decode("ascii"))
                if lines[-1][3:4] != "-":
                    return "\n".join(lines)

    async def ask(self, line: str | bytes) -> str:
        """Send a command line and return the reply."""
        octets = line if isinstance(line, bytes) else line.encode()
        await self.send(octets + b"\r\n")
        return await self.reply()

    async def greet(self) -> str:
        """Hear the banner, say EHLO, return the answer."""
        banner = await self.reply()
        assert banner.startswith("220 "), banner
        return await self.ask("EHLO client.example")

    async def open_data(
        self, recipient: str = "x@acme.example", sender: str = "s@sender.example"
    ) -> None:
        """Come as far as 354."""
        for line, code in (
            (f"MAIL FROM:<{sender}>", "250"),
            (f"RCPT TO:<{recipient}>", "250"),
            ("DATA", "354"),
        ):
            answer = await self.ask(line)
            assert answer.startswith(code), answer

    async def is_closed(self) -> bool:
        """Wait until the server closes; False when it says something instead."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return not await self._reader.read(1)
            except ConnectionError:
                return True

    async def rest(self) -> bytes:
        """Return all that comes until the server closes; a reset is an error."""
        async with asyncio.timeout(DEADLINE_S):
            return await self._reader.read()

    def pause_reading(self) -> None:
        """Stop taking in what the server says."""
        transport = self._writer.transport
        transport.pause_reading()  # type: ignore[attr-defined]

    def half_close(self) -> None:
        self._writer.write_eof()

    def reset(self) -> None:
        """Go away at once; the server sees a reset, not merely the end of what we send."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands; the server has said 220 already."""
        async with asyncio.timeout(DEADLINE_S):
            await self._writer.start_tls(context, server_hostname=HOSTNAME)

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate that the server showed, as DER; None outside TLS."""
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return found.getpeercert(binary_form=True) if found is not None else None

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


async def until(condition: Any) -> None:
    """Give the loop turns until ``condition()`` is true."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.001)
