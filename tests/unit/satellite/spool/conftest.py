"""A spool in a temporary folder, under a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from common.envelope import Envelope
from common.ids import MessageId
from satellite.spool.store import Spool

OpenSpool = Callable[[], Awaitable[Spool]]


class TestClock:
    """A wall clock and a monotonic clock that stand still until moved."""

    __test__ = False

    def __init__(self) -> None:
        self.wall_us = 1_800_000_000_000_000
        self.steady_s = 1000.0

    def now_us(self) -> int:
        return self.wall_us

    def monotonic_s(self) -> float:
        return self.steady_s

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
async def open_spool(tmp_path: Path, clock: TestClock) -> AsyncIterator[OpenSpool]:
    opened: list[Spool] = []

    async def again() -> Spool:
        while opened:
            await opened.pop().close()
        opened.append(await Spool.open(tmp_path, node="lon1", shard=0, clock=clock))
        return opened[0]

    yield again
    for spool in opened:
        await spool.close()


@pytest.fixture
async def spool(open_spool: OpenSpool) -> Spool:
    return await open_spool()


def envelope(*recipients: str, sender: str = "a@sender.example") -> Envelope:
    return Envelope(
        client_address="192.0.2.7",
        helo="client.example",
        sender=sender,
        recipients=recipients or ("x@acme.example",),
    )


async def accept(
    spool: Spool, body: bytes = b"Subject: hi\r\n\r\nhello\r\n", *to: str
) -> MessageId:
    entry = spool.begin()
    entry.write(body)
    await entry.commit(envelope=envelope(*to), trace=b"Received: test\r\n")
    return entry.id
