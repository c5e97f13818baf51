"""What does DNS answer, on a good day and on a bad one?

Touches a loopback port, UDP and TCP. A name server whose answers a test writes down: records by
name and kind, and names that fail in one of the ways in which DNS fails.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class Trouble(StrEnum):
    """How a name fails."""

    SERVFAIL = "servfail"
    SILENT = "silent"
    NO_NAME = "no name"
    ALIAS_LOOP = "alias loop"
    TRUNCATED = "truncated"  # over UDP; over TCP the answer is whole
    ALWAYS_TRUNCATED = "always truncated"
    RUBBISH = "rubbish"


class DnsServer:
    """A name server.

    Attributes:
        records: by name (with its final dot) and kind: what stands behind it.
        wildcards: by the end of a name: addresses of whatever stands before it.
        trouble: names that fail, and how.
        trouble_below: likewise, by the end of a name.
        delays_s: by the end of a name: how long an answer over UDP takes.
        asked: every question, in order.
        is_validating: it claims to have proved what it says.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], list[str]] = {}
        self.wildcards: dict[str, list[str]] = {}
        self.trouble: dict[str, Trouble] = {}
        self.trouble_below: dict[str, Trouble] = {}
        self.delays_s: dict[str, float] = {}
        self.asked: list[tuple[str, str]] = []
        self.port = 0
        self.is_validating = False

    def delay_s(self) -> float:
        """Return how long the answer to the last question takes."""
        name = self.asked[-1][0]
        return next((s for end, s in self.delays_s.items() if name.endswith(end)), 0.0)

    def answer(self, wire: bytes, *, over_tcp: bool) -> bytes:
        """Return what is said to one question; empty: nothing."""
        question = dns.message.from_wire(wire)
        name = question.question[0].name.to_text().lower()
        kind = question.question[0].rdtype.name
        self.asked.append((name, kind))
        made = dns.message.make_response(question)
        made.flags |= dns.flags.RA
        if self.is_validating:
            made.flags |= dns.flags.AD
        below = (one for end, one in self.trouble_below.items() if name.endswith(end))
        match self.trouble.get(name) or next(below, None):
            case Trouble.SILENT:
                return b""
            case Trouble.RUBBISH:
                return wire[:2] + b"\xff" * 40
            case Trouble.SERVFAIL:
                made.set_rcode(dns.rcode.SERVFAIL)
            case Trouble.NO_NAME:
                made.set_rcode(dns.rcode.NXDOMAIN)
            case Trouble.ALIAS_LOOP:
                other = f"again.{name}"
                made.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", other))
                made.answer.append(dns.rrset.from_text(other, 60, "IN", "CNAME", name))
            case Trouble.ALWAYS_TRUNCATED:
                made.flags |= dns.flags.TC
            case Trouble.TRUNCATED if not over_tcp:
                made.flags |= dns.flags.TC
            case _:
                self._fill(made, name, kind)
        return made.to_wire()

    def _fill(self, made: dns.message.Message, name: str, kind: str) -> None:
        wild = (found for end, found in self.wildcards.items() if name.endswith(end))
        rows = next(wild, None) if kind == "A" else None
        rows = rows or self.records.get((name, kind))
        if rows:
            made.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *rows))
        elif name not in {known for known, _ in self.records}:
            made.set_rcode(dns.rcode.NXDOMAIN)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        answer = self._server.answer(data, over_tcp=False)
        if answer:
            loop = asyncio.get_running_loop()
            loop.call_later(self._server.delay_s(), self._transport.sendto, answer, address)


@asynccontextmanager
async def dns_server() -> AsyncIterator[DnsServer]:
    """Run a name server on a port of 127.0.0.1."""
    server = DnsServer()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            answer = server.answer(await reader.readexactly(length), over_tcp=True)
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    streams = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = streams.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Datagrams(server), local_addr=("127.0.0.1", server.port)
    )
    try:
        yield server
    finally:
        transport.close()
        streams.close()
        await streams.wait_closed()
