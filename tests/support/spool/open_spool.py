"""How does a test open a spool of its own, again and again?

Touches the files of a spool below the test's temporary folder; the clock is moved by the test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from common.envelope import Envelope
from common.ids import MessageId
from satellite.spool.store import Spool
from tests.support.clock import FakeClock

TRACE = b"Received: from client.example by mx1.scout.example\r\n"
SMALL = b"Subject: hi\r\nMessage-ID: <1@sender.example>\r\n\r\nhello\r\n"

OpenSpool = Callable[[], Awaitable[Spool]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def spool_folder(tmp_path: Path) -> Path:
    """Return the folder of the spool, which is there before the spool is."""
    folder = tmp_path / "shard-0"
    folder.mkdir()
    return folder


@pytest.fixture
async def open_spool(spool_folder: Path, clock: FakeClock) -> AsyncIterator[OpenSpool]:
    """Give what closes the spool and opens it anew, as a restart does."""
    opened: list[Spool] = []

    async def again() -> Spool:
        while opened:
            await opened.pop().close()
        opened.append(await Spool.open(spool_folder, node="lon1", shard=0, clock=clock))
        return opened[0]

    yield again
    for spool in opened:
        await spool.close()


@pytest.fixture
async def spool(open_spool: OpenSpool) -> Spool:
    return await open_spool()


def envelope(*recipients: str, sender: str = "a@sender.example") -> Envelope:
    """Return the envelope of a message for some recipients, or for one."""
    return Envelope(
        client_address="192.0.2.7",
        helo="client.example",
        sender=sender,
        recipients=recipients or ("x@acme.example",),
    )


async def accept(spool: Spool, *to: str, body: bytes = SMALL) -> MessageId:
    """Return the id of a message that the spool has durably."""
    entry = spool.begin()
    entry.write(body)
    await entry.commit(envelope=envelope(*to), trace=TRACE)
    return entry.id


def to_deliver(spool: Spool) -> list[MessageId]:
    """Return the messages with recipients to deliver to, the oldest first."""
    rows = spool.pending(after="", limit=100_000)
    return list(dict.fromkeys(row.message for row in rows))
