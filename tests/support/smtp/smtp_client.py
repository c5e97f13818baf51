"""How does one SMTP transaction go, seen from a sender that trusts nobody?

Touches one socket. A raw client of our own: it must send exact octets, say what it knows when the
connection breaks at any instant, and never repair what the server does wrong.
Source: RFC 5321 sections 4.1, 4.2 and 4.5.2.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

REPLY_BYTES_MAX = 65_536
HELO_NAME = "load.example"


class Broken(Exception):
    """The connection is of no more use: closed, reset, silent for too long, or not SMTP."""


@dataclass(slots=True)
class Transaction:
    """What is known of one transaction, kept up to date so that a break loses nothing."""

    recipients: list[str] = field(default_factory=list)  # answered 250
    refused: dict[str, str] = field(default_factory=dict)
    dot_sent: bool = False
    reply: str | None = None  # to the final dot, or to what ended the transaction before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message to hand over. ``gid`` is unique in a run and stands in the message."""

    gid: str
    sender: str  # empty: the null reverse-path
    recipients: tuple[str, ...]
    data: bytes  # ends in CRLF, since SMTP cannot carry anything else

    def __post_init__(self) -> None:
        assert not self.data or self.data.endswith(b"\r\n")


class SmtpClient:
    """One connection to an SMTP server.

    Args:
        deadline_s: for the connection, and for each reply.
        source: the address to connect from; empty: what the system takes.
    """

    def __init__(self, host: str, port: int, *, deadline_s: float, source: str = "") -> None:
        self._source = (source, 0) if source else None
        self._host = host
        self._port = port
        self._deadline_s = deadline_s
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._capabilities: frozenset[str] = frozenset()
        self.banner = ""

    async def open(self) -> None:
        """Connect and say EHLO.

        Raises:
            Broken: there is no server, or it does not want to talk; ``banner`` has what it said.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                self._reader, self._writer = await asyncio.open_connection(
                    self._host, self._port, limit=REPLY_BYTES_MAX, local_addr=self._source
                )
        except (OSError, TimeoutError) as error:
            raise Broken(f"no connection: {error}") from error
        self.banner = await self._reply()
        if not self.banner.startswith("220"):
            raise Broken(self.banner)
        answer = await self.ask(f"EHLO {HELO_NAME}")
        if not answer.startswith("250"):
            raise Broken(answer)
        words = (line[4:].partition(" ")[0].upper() for line in answer.splitlines()[1:])
        self._capabilities = frozenset(words)

    async def transact(self, letter: Letter, state: Transaction) -> None:
        """Hand over one letter; ``state`` says how far it came, also when this raises.

        Raises:
            Broken: the connection ended in between.
        """
        answer = await self.ask(f"MAIL FROM:<{letter.sender}>{self._parameters(letter)}")
        if not answer.startswith("250"):
            state.reply = answer
            return
        for recipient in letter.recipients:
            answer = await self.ask(f"RCPT TO:<{recipient}>")
            if answer.startswith("25"):
                state.recipients.append(recipient)
            else:
                state.refused[recipient] = answer
        if not state.recipients:
            state.reply = answer
            await self.ask("RSET")
            return
        answer = await self.ask("DATA")
        if not answer.startswith("354"):
            state.reply = answer
            return
        await self._send(stuffed(letter.data))
        # From here on the server may have the message, whatever becomes of the connection.
        state.dot_sent = True
        await self._send(b".\r\n")
        state.reply = await self._reply()

    async def quit(self) -> None:
        """Part in good order, if the server still listens."""
        with contextlib.suppress(Broken):
            await self.ask("QUIT")
        await self.close()

    async def close(self) -> None:
        """Close the socket."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._writer.wait_closed()
            self._writer = None

    def _parameters(self, letter: Letter) -> str:
        parameters = ""
        if not letter.data.isascii() and "8BITMIME" in self._capabilities:
            parameters += " BODY=8BITMIME"
        if needs_smtputf8(letter) and "SMTPUTF8" in self._capabilities:
            parameters += " SMTPUTF8"
        return parameters

    async def ask(self, command: str) -> str:
        """Say one command and return the whole reply.

        Raises:
            Broken: the connection ended before it came.
        """
        await self._send(f"{command}\r\n".encode())
        return await self._reply()

    async def heard(self) -> str:
        """Return what the server says without being asked.

        Raises:
            Broken: the connection ended before it said anything.
        """
        return await self._reply()

    async def _send(self, data: bytes) -> None:
        if self._writer is None:
            raise Broken("not connected")
        try:
            async with asyncio.timeout(self._deadline_s):
                self._writer.write(data)
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Broken(f"could not send: {error}") from error

    async def _reply(self) -> str:
        """Return a whole reply, its lines joined by a line feed."""
        if self._reader is None:
            raise Broken("not connected")
        lines: list[str] = []
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    raw = await self._reader.readuntil(b"\r\n")
                    line = raw[:-2].decode("utf-8", "replace")
                    if not line[:3].isdigit():
                        raise Broken(f"no reply code in {line[:80]!r}")
                    lines.append(line)
                    if line[3:4] != "-":
                        return "\n".join(lines)
        except (
            OSError,
            TimeoutError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            raise Broken(f"no reply: {error}") from error


def needs_smtputf8(letter: Letter) -> bool:
    """Say whether an address of the envelope is not ASCII (RFC 6531 section 3.4)."""
    addresses: Sequence[str] = (letter.sender, *letter.recipients)
    return not all(address.isascii() for address in addresses)


def stuffed(data: bytes) -> bytes:
    """Return ``data`` as it goes over the wire: lines that begin with a dot get another one."""
    if data.startswith(b"."):
        data = b"." + data
    return data.replace(b"\r\n.", b"\r\n..")
