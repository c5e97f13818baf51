"""An answer belongs to its question, or there is no channel any more."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from satellite.node.channel import (
    AnswerLate,
    Channel,
    ChannelClosed,
    JsonObject,
    answer_lines,
)
from tests.support.node.shard import DEADLINE_S


class Ends:
    """A channel and, as the other side, the bare lines."""

    def __init__(
        self, channel: Channel, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.channel = channel
        self.reader = reader
        self.writer = writer

    async def hear(self) -> bytes:
        async with asyncio.timeout(DEADLINE_S):
            return await self.reader.readline()

    def say(self, line: bytes) -> None:
        self.writer.write(line)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    yield Ends(channel, reader, writer)
    channel.close()
    writer.close()
    await asyncio.sleep(0)  # closing takes a turn of the loop
    await asyncio.sleep(0)


async def ask(
    channel: Channel, question: JsonObject, *, deadline_s: float = DEADLINE_S
) -> JsonObject:
    return await channel.ask(question, deadline_s=deadline_s)


def answering(ends: Ends) -> asyncio.Task[None]:
    async def doubled(question: JsonObject) -> JsonObject:
        return {"twice": int(str(question["number"])) * 2}

    return asyncio.create_task(answer_lines(ends.reader, ends.writer, doubled))


async def test_each_question_gets_its_own_answer(ends: Ends) -> None:
    other_side = answering(ends)

    answers = await asyncio.gather(*(ask(ends.channel, {"number": n}) for n in range(50)))

    assert answers == [{"twice": n * 2} for n in range(50)]
    ends.channel.close()
    await other_side


async def test_a_late_answer_never_passes_for_the_next_one(ends: Ends) -> None:
    with pytest.raises(AnswerLate):
        await ask(ends.channel, {"number": 1}, deadline_s=0.0)
    other_side = answering(ends)

    assert await ask(ends.channel, {"number": 5}) == {"twice": 10}
    ends.channel.close()
    await other_side


async def test_the_answer_to_a_cancelled_question_never_passes_for_the_next_one(
    ends: Ends,
) -> None:
    first = asyncio.create_task(ask(ends.channel, {"number": 1}))
    assert await ends.hear() == b'{"number":1,"serial":1}\n'
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    ends.say(b'{"twice":2,"serial":1}\n')
    other_side = answering(ends)

    assert await ask(ends.channel, {"number": 5}) == {"twice": 10}
    ends.channel.close()
    await other_side


async def test_half_an_answer_is_none(ends: Ends) -> None:
    asked = asyncio.create_task(ask(ends.channel, {"number": 1}))
    await ends.hear()

    ends.say(b'{"twice":')
    ends.writer.close()

    with pytest.raises(ChannelClosed, match="gone"):
        await asked


async def test_a_channel_whose_other_side_has_gone_says_so_at_once(ends: Ends) -> None:
    ends.writer.close()

    with pytest.raises(ChannelClosed):
        await ask(ends.channel, {"number": 1})


@pytest.mark.parametrize("nonsense", [b"no json\n", b"[1]\n", b"null\n", b'"text"\n', b"\xff\n"])
async def test_what_is_no_answer_closes_the_channel(ends: Ends, nonsense: bytes) -> None:
    asked = asyncio.create_task(ask(ends.channel, {"number": 1}))
    await ends.hear()

    ends.say(nonsense)

    with pytest.raises(ChannelClosed):
        await asked
    with pytest.raises(ChannelClosed):
        await ask(ends.channel, {"number": 2})


DEEP = b'{"serial":' + b"[" * 100_000 + b"\n"


@pytest.mark.parametrize(
    "nonsense",
    [b"no json\n", b"[1]\n", b"null\n", b"\xff\n", DEEP, b'{"serial":[[]]}\n', b'{"serial":""}\n'],
)
async def test_what_is_no_question_ends_the_conversation(nonsense: bytes) -> None:
    asked: list[JsonObject] = []

    async def answer(question: JsonObject) -> JsonObject:
        asked.append(question)
        return {}

    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs)
    ours.sendall(nonsense + b'{"number":1}\n')
    async with asyncio.timeout(DEADLINE_S):
        await answer_lines(reader, writer, answer)
    await writer.wait_closed()

    assert asked == []
    ours.settimeout(DEADLINE_S)
    with ours:
        assert _heard_to_the_end(ours) == b""


async def test_an_answer_beyond_the_limit_is_an_error_and_the_conversation_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer(question: JsonObject) -> JsonObject:
        return {"said": "x" * int(str(question["number"]))}

    monkeypatch.setattr("satellite.node.channel.LINE_BYTES_MAX", 200)
    ours, theirs = socket.socketpair()
    channel = await Channel.over(ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    other_side = asyncio.create_task(answer_lines(reader, writer, answer))

    assert "too long" in str((await ask(channel, {"number": 500}))["error"])
    assert await ask(channel, {"number": 1}) == {"said": "x"}

    channel.close()
    await other_side


async def test_a_question_beyond_the_limit_ends_the_conversation() -> None:
    async def answer(_question: JsonObject) -> JsonObject:
        raise AssertionError("nothing was asked")

    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs, limit=16)
    with ours:
        ours.sendall(b'{"number":"' + b"1" * 100)
        await answer_lines(reader, writer, answer)
        await writer.wait_closed()


def _heard_to_the_end(end: socket.socket) -> bytes:
    try:
        return end.recv(100)
    except ConnectionResetError:  # closed with something unread: gone as well
        return b""
