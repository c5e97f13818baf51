"""How do questions and answers pass between parent and worker, a line of JSON each?

Touches one socket pair. Questions and answers are JSON objects, one on a line; what
they mean stands in ``satellite.node.question``. When the channel
ends, the other side has died.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import Awaitable, Callable

from common.errors import EnvironmentFailure

# A list of a thousand messages is a tenth of it; with many recipients and long replies, twice.
LINE_BYTES_MAX = 16 * 1024 * 1024

JsonObject = dict[str, object]
Answering = Callable[[JsonObject], Awaitable[JsonObject]]

TOO_LONG: JsonObject = {
    "error": "the answer is too long for one line; look with:"
    " borderscout spool list --config FILE --limit 100"
}


class NoAnswer(EnvironmentFailure):
    """A question has no answer now."""


class ChannelClosed(NoAnswer):
    """The other side is gone, or talks nonsense."""


class AnswerLate(NoAnswer):
    """The other side took too long; it may answer the next question."""


class Channel:
    """The asking side; one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()
        self._serials = itertools.count(1)

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """Return a channel over a connected socket."""
        reader, writer = await asyncio.open_connection(sock=end, limit=LINE_BYTES_MAX)
        return cls(reader, writer)

    async def ask(self, question: JsonObject, *, deadline_s: float) -> JsonObject:
        """Return the answer.

        Raises:
            ChannelClosed: the other side is gone, or says what is no answer.
            AnswerLate: it took too long. Questions are numbered, so that its answer, or one to a
                question whose asker was cancelled, cannot pass for the next one.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(deadline_s):
                    return await self._answer_to(question)
            except TimeoutError:
                raise AnswerLate(f"no answer within {deadline_s:g} s") from None
            except (OSError, ValueError, ChannelClosed) as error:
                self.close()
                raise ChannelClosed(f"no answer: {error}") from None

    async def _answer_to(self, question: JsonObject) -> JsonObject:
        serial = next(self._serials)
        self._writer.write(_line({**question, "serial": serial}))
        await self._writer.drain()
        while True:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise ChannelClosed("the other side is gone")
            answer = json.loads(line)
            if not isinstance(answer, dict):
                raise ChannelClosed("the other side said something that is no answer")
            if answer.pop("serial", None) == serial:
                return answer

    def close(self) -> None:
        self._writer.close()


async def answer_lines(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answering: Answering
) -> None:
    """Answer each question of the other side until it is gone.

    An answer beyond the limit becomes an error: whoever read half of it would close the channel.
    """
    try:
        while line := await reader.readline():
            question = _question(line)
            if question is None:
                return
            serial = {"serial": question.pop("serial")} if "serial" in question else {}
            answer = _line({**await answering(question), **serial})
            writer.write(answer if len(answer) <= LINE_BYTES_MAX else _line(TOO_LONG | serial))
            await writer.drain()
    except (OSError, ValueError):
        return  # cut, or a line beyond the limit
    finally:
        writer.close()


def _question(line: bytes) -> JsonObject | None:
    """Return what a line asks, or None when it is no question of anybody's."""
    try:
        question = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(question, dict) or not isinstance(question.get("serial", 0), int):
        return None
    return question


def _line(value: JsonObject) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
