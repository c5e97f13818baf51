"""How does a core serve sets of definitions, as it should and otherwise?

Touches a loopback port. It speaks HTTP/1.1 with ranges, and does to a file what its test says.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self

from satellite.definitions.fetching import SetSource
from tests.support.definitions.made_sets import MadeSet

HOST = "core.example.borderscout.internal"


class ServingCore:
    """A server of sets.

    Args:
        context: TLS; None: none.

    Attributes:
        asked: path and range of each request.
        cut_after: octets of a file after which the connection ends, by the file's name.
        status: the answer that a file gets instead, by its name.
        lies: other octets for a file, by its name.
        deaf: it passes over Range.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        self.cut_after: dict[str, int] = {}
        self.status: dict[str, str] = {}
        self.lies: dict[str, bytes] = {}
        self.deaf = False
        self._context = context
        self._files: dict[str, bytes] = {}
        self._server: asyncio.Server | None = None
        self._news = asyncio.Condition()
        self.port = 0

    def serve(self, made: MadeSet) -> None:
        """Serve one more set."""
        base = f"/definitions/v1/clamav/{made.name.serial}"
        self._files[f"{base}/manifest.json"] = made.manifest
        for name, octets in made.files.items():
            self._files[f"{base}/{name}"] = octets

    def source(
        self, context: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ) -> SetSource:
        """Return where it is."""
        scheme = "http" if self._context is None else "https"
        url = f"{scheme}://127.0.0.1:{self.port}/definitions/v1/clamav"
        return SetSource(family="clamav", url=url, host=HOST, context=context)

    async def until(self, claim: Callable[[], bool]) -> None:
        """Return once something is so that changes with a request."""
        async with asyncio.timeout(30), self._news:
            await self._news.wait_for(claim)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self._context)
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

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request, and say whether another one may come."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        path = lines[0].split(" ")[1]
        fields = {line.lower().partition(": ")[0]: line.partition(": ")[2] for line in lines[1:]}
        wanted = fields.get("range", "")
        name = path.rpartition("/")[2]
        self.asked.append(f"{name} {wanted}".strip())
        async with self._news:
            self._news.notify_all()
        content = self.lies.get(name, self._files.get(path))
        if name in self.status or content is None:
            status = self.status.get(name, "404 Not Found")
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return True
        begin = 0 if self.deaf else int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        head = [f"HTTP/1.1 {'206 Partial Content' if begin else '200 OK'}"]
        if begin:
            head.append(f"Content-Range: bytes {begin}-{len(content) - 1}/{len(content)}")
        head.append(f"Content-Length: {len(content) - begin}")
        cut = self.cut_after.pop(name, None)
        part = content[begin:] if cut is None else content[begin:][:cut]
        writer.write("\r\n".join([*head, "", ""]).encode() + part)
        await writer.drain()
        return cut is None
