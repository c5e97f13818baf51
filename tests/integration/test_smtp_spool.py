"""Does the front end fit the spool that it was made for, as well as it fits the fake one?"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from satellite.smtp.intake import Intake
from satellite.spool.model.messages import INLINE_BYTES_MAX
from satellite.spool.store import Spool
from tests.support.smtp.front_end import DEADLINE_S, Talk, some_preferences, some_settings, until
from tests.support.smtp.lone_front_end import lone_front_end

SMALL = b"Subject: small\r\n\r\nbody\r\n"
LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcde\r\n" * (INLINE_BYTES_MAX // 8)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=SystemClock())
    spool.preferences = some_preferences()
    yield spool
    await spool.close()


@pytest.fixture
async def talk(spool: Spool) -> AsyncIterator[Talk]:
    intake: Intake = spool  # the port, checked by the type checker
    front = lone_front_end(intake, some_settings(), SystemClock(), CollectorRegistry())
    listening = socket.create_server(("127.0.0.1", 0))
    host, port = listening.getsockname()
    await front.start([listening])
    talk = await Talk.connect(host, port)
    await talk.greet()
    yield talk
    await talk.close()
    await asyncio.wait_for(front.drain(DEADLINE_S), DEADLINE_S)


@pytest.mark.parametrize("message", [SMALL, LARGE, b""], ids=["small", "large", "empty"])
async def test_what_was_answered_250_is_in_the_spool_as_it_came(
    spool: Spool, talk: Talk, message: bytes
) -> None:
    await talk.open_data()
    await talk.send(message + b".\r\n")
    reply = await talk.reply()
    assert reply.startswith("250 2.0.0 Ok: queued as ")

    stored = spool.message(reply.rpartition(" ")[2])  # type: ignore[arg-type]
    assert stored is not None
    assert stored.sha256 == hashlib.sha256(message).digest()
    assert stored.envelope.recipients == ("x@acme.example",)
    assert stored.trace.startswith(b"Received: from client.example ([127.0.0.1])\r\n")
    with spool.open_body(stored) as body:
        assert body.read(0, len(message) + 1) == message


async def test_a_client_that_goes_in_the_middle_leaves_no_file(
    spool: Spool, talk: Talk, tmp_path: Path
) -> None:
    bodies = tmp_path / "bodies"
    await talk.open_data()
    await talk.send(LARGE)
    await until(lambda: any(bodies.iterdir()))
    talk.reset()

    await until(lambda: not any(bodies.iterdir()))
    assert spool.records(after=0, limit=10) == []


async def test_a_refused_message_leaves_no_file_and_no_record(
    spool: Spool, talk: Talk, tmp_path: Path
) -> None:
    await talk.open_data()
    await talk.send(LARGE + b"bare\n.\r\n\r\n.\r\n")
    assert (await talk.reply()).startswith("550 5.5.2 ")

    assert not any((tmp_path / "bodies").iterdir())
    assert spool.records(after=0, limit=10) == []
