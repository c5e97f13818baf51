"""How does the parent ask a worker something?

Touches one socket pair. Questions and answers are JSON objects, one on a line. When the channel
ends, the other side has died.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from common.errors import EnvironmentFailure

LINE_BYTES_MAX = 16 * 1024 * 1024  # a list of a thousand messages is a tenth of it

Question = dict[str, Any]
Answer = dict[str, Any]
Answering = Callable[[Question], Awaitable[Answer]]


class ChannelClosed(EnvironmentFailure):
    """The other side is gone."""


class Channel:
    """The asking side; one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """Return a channel over a connected socket."""
        reader, writer = await asyncio.open_connection(sock=end, limit=LINE_BYTES_MAX)
        return cls(reader, writer)

    async def ask(self, question: Question, *, deadline_s: float) -> Answer:
        """Return the answer.

        Raises:
            ChannelClosed: the other side is gone, talks nonsense or took too long: then the
                channel is of no further use, since a late answer would pass for the next one.
                The same holds for a question whose asker was cancelled.
        """
        async with self._turn:
            answer: Answer | None = None
            try:
                answer = await self._answer_to(question, deadline_s)
            except (OSError, TimeoutError, ValueError) as error:
                raise ChannelClosed(f"no answer: {type(error).__name__}") from None
            finally:
                if answer is None:
                    self.close()
        return answer

    async def _answer_to(self, question: Question, deadline_s: float) -> Answer:
        async with asyncio.timeout(deadline_s):
            self._writer.write(_line(question))
            await self._writer.drain()
            line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise ChannelClosed("the other side is gone")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ChannelClosed("the other side said something that is no answer")
        return answer

    def close(self) -> None:
        self._writer.close()


async def answer_lines(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answering: Answering
) -> None:
    """Answer each question of the other side until it is gone."""
    try:
        while line := await reader.readline():
            try:
                question = json.loads(line)
            except ValueError:
                return
            if not isinstance(question, dict):
                return
            writer.write(_line(await answering(question)))
            await writer.drain()
    except (OSError, ValueError):
        return  # cut, or a line beyond the limit
    finally:
        writer.close()


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
