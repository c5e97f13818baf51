"""How do large messages come and go as fast as loopback brings them?

Touches sockets and processes. Sender and server are in a process of their own: what they cost is
not the node's, and delays no mail whose time is taken.

By itself: ``python -m tests.support.storms.flood TARGET SINK RECIPIENT FILE …``. The first two are
HOST:PORT; every file is a message as DATA carries it, and is sent once, all at the same time.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.node.processes import Process

ACCEPTED = "accepted: "
LISTENING = "listening"
PAUSE_S = 0.5  # before a refused message is tried again
SOURCES = 100  # addresses that the messages come from: no limit for one of them is met
_END = b"\r\n.\r\n"


class Flood:
    """The process that sends, and swallows what is delivered."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def is_over(self, *, deadline_s: float) -> int:
        """Return how many messages were accepted, once all were.

        Raises:
            ProcessFailed: they were not in time.
        """
        said = await self._process.wait_for_line(f"{ACCEPTED}(.*)", deadline_s=deadline_s)
        return int(said[1])


@asynccontextmanager
async def flood(
    folder: Path, messages: Sequence[bytes], *, target: str, sink: str, recipient: str
) -> AsyncIterator[Flood]:
    """Send messages, each once and all at the same time, for the length of a block.

    Args:
        messages: as DATA carries them, without the final dot.
        folder: where they are written to; each different one once.
        target: the node.
        sink: where the recipient's server is to listen.
    """
    files = {data: folder / f"flood-{number}.eml" for number, data in enumerate(set(messages))}
    for data, file in files.items():
        file.write_bytes(data)
    command = [sys.executable, "-m", __name__, target, sink, recipient]
    process = Process([*command, *(files[data] for data in messages)])
    async with process:
        await process.wait_for_line(LISTENING)
        yield Flood(process)


class _Swallower(asyncio.Protocol):
    """A customer's server that takes everything and keeps nothing."""

    def __init__(self) -> None:
        self._is_data = False
        self._last = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 swallower.example\r\n")

    def data_received(self, data: bytes) -> None:
        if self._is_data:
            self._last = (self._last + data)[-len(_END) :]
            if self._last == _END:
                self._is_data, self._last = False, b""
                self._transport.write(b"250 gone\r\n")
            return
        for line in data.splitlines():
            verb = line[:4].upper()
            self._is_data = verb == b"DATA"
            self._transport.write(b"354 go\r\n" if self._is_data else b"250 yes\r\n")
            if verb == b"QUIT":
                self._transport.close()


async def _sent(target: tuple[str, int], source: str, recipient: str, data: bytes) -> bool:
    """Hand over one message; return whether it was accepted."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.bind((source, 0))
        try:
            await loop.sock_connect(sock, target)
            for line in (
                b"",
                b"EHLO flood.example\r\n",
                b"MAIL FROM:<a@sender.example>\r\n",
                b"RCPT TO:<%b>\r\n" % recipient.encode(),
                b"DATA\r\n",
            ):
                await loop.sock_sendall(sock, line)
                if (await loop.sock_recv(sock, 4096))[:1] not in (b"2", b"3"):
                    return False
            await loop.sock_sendall(sock, data + _END)
            return (await loop.sock_recv(sock, 4096))[:3] == b"250"
        except OSError:
            return False


async def _send_until_taken(
    target: tuple[str, int], source: str, recipient: str, data: bytes
) -> None:
    while not await _sent(target, source, recipient, data):
        await asyncio.sleep(PAUSE_S)


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def _main(target: str, sink: str, recipient: str, *files: str) -> None:
    content = {file: Path(file).read_bytes() for file in set(files)}
    await asyncio.get_running_loop().create_server(_Swallower, *_place(sink))
    print(LISTENING, flush=True)
    sources = itertools.cycle(f"127.9.0.{number}" for number in range(1, SOURCES + 1))
    async with asyncio.TaskGroup() as group:
        for file, source in zip(files, sources, strict=False):
            group.create_task(_send_until_taken(_place(target), source, recipient, content[file]))
    print(f"{ACCEPTED}{len(files)}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
