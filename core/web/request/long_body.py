"""How is a request of many megabytes read while the core goes on?

Touches the request, and a thread. The interpreter reads JSON in one step, a quarter of a second for
a hundred thousand documents, in which nobody else has a turn; here the items of each list that
stands in the body's object are read one by one, with rests in between.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from common.pacing import lasting, paced

SHORT_BYTES_MAX = 128 * 1024  # read in one step, of a millisecond or two

_BLANK = re.compile(r"[ \t\n\r]*")  # RFC 8259 section 2


class LongBodyRoute(APIRoute):
    """A route whose requests may be long."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request, given one that is read with rests."""
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            return await answer(_LongRequest(request.scope, request.receive))

        return handler


class _LongRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        if len(body) <= SHORT_BYTES_MAX:
            return json.loads(body)
        return await asyncio.to_thread(read_long, body)


def read_long(body: bytes) -> Any:
    """Return what a long JSON text says, read with rests.

    Raises:
        ValueError: as ``json.loads``.
    """
    with lasting():
        try:
            return _Reader(body.decode()).read_object()
        except (ValueError, IndexError):
            return json.loads(body)  # no object, another encoding, or wrong: it says where


class _Reader:
    """Reads an object; what is not one raises ValueError or IndexError."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._decode = json.JSONDecoder().raw_decode

    def read_object(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._take("{")
        while True:
            name = self._value()
            if not isinstance(name, str):
                raise ValueError("no name")
            self._take(":")
            found[name] = list(paced(self._items())) if self._next() == "[" else self._value()
            if self._next() == "}":
                break
            self._take(",")
        self._take("}")
        if _BLANK.fullmatch(self._text, self._place) is None:
            raise ValueError("more than an object")
        return found

    def _items(self) -> Iterator[Any]:
        self._take("[")
        if self._next() == "]":
            self._take("]")
            return
        while True:
            yield self._value()
            if self._next() == "]":
                break
            self._take(",")
        self._take("]")

    def _value(self) -> Any:
        self._next()
        value, self._place = self._decode(self._text, self._place)
        return value

    def _next(self) -> str:
        blank = _BLANK.match(self._text, self._place)
        assert blank is not None  # it may be empty
        self._place = blank.end()
        return self._text[self._place]

    def _take(self, wanted: str) -> None:
        if self._next() != wanted:
            raise ValueError(f"no {wanted}")
        self._place += 1
