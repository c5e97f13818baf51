"""What does a host do that takes every connection and says nothing?

Touches a port. It reads nothing and writes nothing, and keeps each connection until it is closed.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

BACKLOG = 4096


class SilentHost:
    """One or, on all addresses of a network of its own, many.

    Args:
        host: the address to listen on.
        port: 0 picks a free one.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.connections = 0  # ever taken
        self.taken_s: dict[str, list[float]] = {}  # by our address, on the loop's clock
        self.port = port
        self._host = host
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._take, self._host, self.port, backlog=BACKLOG
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        host: str = writer.get_extra_info("sockname")[0]
        self.taken_s.setdefault(host, []).append(asyncio.get_running_loop().time())
        self._writers.add(writer)
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
