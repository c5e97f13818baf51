"""Which octets of which set does somebody get who came through the door?

Touches the files of sets. What may be asked for is a set's manifest and its files, by serial, and
the files of the set in use by their names alone, as freshclam asks a private mirror. A path never
reaches the disk: a name is looked up in the manifest first.

Source: RFC 9110 sections 8.8 (ETag, Last-Modified), 13.1 (conditions) and 14 (ranges); RFC 9530
(digests); docs.clamav.net, *Private Local Mirrors*.
"""

from __future__ import annotations

import asyncio
import base64
import email.utils
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from common.definitions import MANIFEST
from common.tasks import finish
from core.definitions.keeper import FAMILY
from core.definitions.sets import StoredSet, UnknownSet

PART_BYTES = 262_144  # read at a time
_SERIAL_DIGITS_MAX = 19
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class DefinitionSets(Protocol):
    """The sets that there are."""

    @property
    def current(self) -> StoredSet | None: ...

    async def stored_set(self, serial: int) -> StoredSet: ...


def application_of(sets: DefinitionSets) -> Starlette:
    """Return the application behind the door."""

    async def by_serial(request: Request) -> Response:
        serial = request.path_params["serial"]
        if len(serial) > _SERIAL_DIGITS_MAX or not (serial.isascii() and serial.isdigit()):
            raise HTTPException(404)
        try:
            stored = await sets.stored_set(int(serial))
        except UnknownSet:
            raise HTTPException(404) from None
        return await _answer(request, stored, request.path_params["name"], is_fixed=True)

    async def in_use(request: Request) -> Response:
        if sets.current is None:
            raise HTTPException(404)
        return await _answer(request, sets.current, request.path_params["name"], is_fixed=False)

    async def failed(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return PlainTextResponse("", status_code=status)

    handlers: dict[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]]
    handlers = {HTTPException: failed}
    return Starlette(
        routes=[
            Route(f"/definitions/v1/{FAMILY}/{{serial}}/{{name}}", by_serial),
            Route("/{name}", in_use),
        ],
        exception_handlers=handlers,
    )


async def _answer(request: Request, stored: StoredSet, name: str, *, is_fixed: bool) -> Response:
    """Return one file of a set; a name that its manifest does not have is nobody's."""
    digest = _digest_of(stored, name)
    path = stored.folder / name
    try:
        # Of the file, not of the definitions: freshclam takes a mirror's answer for new by it.
        changed_s = (await asyncio.to_thread(path.stat)).st_mtime
    except OSError:
        raise HTTPException(404) from None  # it was removed a moment ago
    headers = {
        "etag": f'"{digest.hex()}"',
        "last-modified": email.utils.formatdate(changed_s, usegmt=True),
        "repr-digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "cache-control": "max-age=31536000, immutable" if is_fixed else "no-cache",
        "accept-ranges": "bytes",
        "date": email.utils.formatdate(usegmt=True),
    }
    if _is_unchanged(request, headers["etag"], changed_s):
        return Response(status_code=304, headers=headers)
    return await _opened(request, path, headers)


def _digest_of(stored: StoredSet, name: str) -> bytes:
    if name == MANIFEST:
        return stored.sha256
    for file in stored.manifest.files:
        if file.name == name:
            return bytes.fromhex(file.sha256)
    raise HTTPException(404)


async def _opened(request: Request, path: Path, headers: Mapping[str, str]) -> Response:
    """Return what is asked for of a file: all of it, or one range."""
    try:
        descriptor = await asyncio.to_thread(os.open, path, _OPEN)
    except OSError:
        raise HTTPException(404) from None
    content = _Content(descriptor)
    asked = _range(request, headers["etag"], content.size)
    if asked is None:
        return content.response(200, 0, content.size, headers)
    first, last = asked
    if first > last:
        content.close()
        unsatisfied = {**headers, "content-range": f"bytes */{content.size}"}
        return Response(status_code=416, headers=unsatisfied)
    part = {**headers, "content-range": f"bytes {first}-{last}/{content.size}"}
    return content.response(206, first, last + 1, part)


class _Content:
    """An open file, closed once it was sent or nobody wants it any more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def close(self) -> None:
        os.close(self._descriptor)

    def response(self, status: int, first: int, end: int, headers: Mapping[str, str]) -> Response:
        whole = {**headers, "content-length": str(end - first)}
        return _Sent(self, first, end, status=status, headers=whole)

    async def read(self, offset: int, length: int) -> bytes:
        # To its end, whoever cancels: the thread's descriptor must not become another file.
        return await finish(asyncio.to_thread(os.pread, self._descriptor, length, offset))


class _Sent(StreamingResponse):
    """Octets of a file on their way."""

    def __init__(
        self, content: _Content, first: int, end: int, *, status: int, headers: Mapping[str, str]
    ) -> None:
        self._content = content
        super().__init__(
            self._octets(first, end), status, headers, media_type="application/octet-stream"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._content.close()

    async def _octets(self, first: int, end: int) -> AsyncIterator[bytes]:
        while first < end:
            part = await self._content.read(first, min(PART_BYTES, end - first))
            if not part:
                return  # shorter than it was: who asks sees that octets are missing
            first += len(part)
            yield part


def _range(request: Request, etag: str, size: int) -> tuple[int, int] | None:
    """Return the first and the last octet that are asked for; None: all.

    Several ranges, and what cannot be read, mean all (RFC 9110 section 14.2). A first octet behind
    the last one means that there is nothing there.
    """
    unless = request.headers.get("if-range")
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if found is None or unless not in (None, etag):
        return None
    first, last = found[1], found[2]
    if first:
        end = min(int(last), size - 1) if last else size - 1
        return (int(first), end) if not last or int(last) >= int(first) else None
    if not last:
        return None
    return (max(0, size - int(last)), size - 1)


def _is_unchanged(request: Request, etag: str, changed_s: float) -> bool:
    """Say whether who asks has it already (RFC 9110 sections 13.1.2 and 13.1.3)."""
    said = request.headers.get("if-none-match")
    if said is not None:
        return said.strip() == "*" or etag in (one.strip() for one in said.split(","))
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        return int(changed_s) <= email.utils.parsedate_to_datetime(since).timestamp()
    except (ValueError, TypeError, OverflowError):
        return False
