"""How many octets go from a shard to its core?

Touches loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass(slots=True)
class CountingPath:
    """A port that leads to another one, and the octets that were sent to it."""

    port: int = 0
    octets: int = 0


@contextlib.asynccontextmanager
async def counting_path(to_port: int) -> AsyncIterator[CountingPath]:
    """Lead to a port of loopback, for the length of a block."""
    path = CountingPath()

    async def carry(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_counted: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                path.octets += len(data) * is_counted
                writer.write(data)
                await writer.drain()
        writer.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to_port)
        await asyncio.gather(
            carry(reader, far_writer, is_counted=True),
            carry(far_reader, writer, is_counted=False),
        )

    server = await asyncio.start_server(lead, "127.0.0.1", 0)
    path.port = server.sockets[0].getsockname()[1]
    try:
        yield path
    finally:
        server.close()
