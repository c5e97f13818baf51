"""How does the web server answer that has a domain's MTA-STS policy?

Touches a loopback port with TLS. It answers every request with what its test wrote down.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self


class PolicyHost:
    """An HTTPS server for one document.

    Attributes:
        document: its body.
        status: code and words.
        kind: its media type.
        is_chunked: whether the body comes in chunks.
        chunk_bytes: of each; 0: half of the body.
        asked: request line and host of each request.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.document = ""
        self.status = "200 OK"
        self.kind = "text/plain; charset=utf-8"
        self.is_chunked = False
        self.chunk_bytes = 0
        self.asked: list[str] = []
        self.port = 0
        self._context = context
        self._server: asyncio.Server | None = None
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def until(self, claim: Callable[[], bool]) -> None:
        """Return once something is so that changes with a request."""
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(claim)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
            host = next(line[6:] for line in head if line.lower().startswith("host: "))
            self.asked.append(f"{head[0]} {host}")
            body = self.document.encode()
            lines = [f"HTTP/1.1 {self.status}", f"Content-Type: {self.kind}"]
            if self.is_chunked:
                lines.append("Transfer-Encoding: chunked")
                size = self.chunk_bytes or (len(body) + 1) // 2
                parts = [body[at : at + size] for at in range(0, len(body), size)] + [b""]
                body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
            else:
                lines.append(f"Content-Length: {len(body)}")
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await writer.drain()
            async with self._news:
                self._news.notify_all()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        finally:
            writer.close()
