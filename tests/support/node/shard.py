"""A shard's parts, and a node's workers without any process, as tests need them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from common.envelope import Envelope
from common.ids import MessageId
from common.settings.satellite import SatelliteSettings
from satellite.node.channel import JsonObject
from satellite.node.parent import Worker, Workers
from satellite.node.question import ErrorAnswer, Question, question_json, read_answer
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.node.spawning import nobody

DEADLINE_S = 20.0  # for anything that a test waits for; never reached when all is well
TRACE = b"Received: from client.example by mx1.scout.example\r\n"
SMALL = b"Subject: hi\r\nMessage-ID: <1@sender.example>\r\n\r\nhello\r\n"

AnswerT = TypeVar("AnswerT")

OpenSpool = Callable[[], Awaitable[Spool]]


async def until(holds: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Return once something holds; fail when it does not within the deadline."""
    ends = time.monotonic() + DEADLINE_S
    while True:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < ends, f"not within {DEADLINE_S:.0f} s: {what}"
        await asyncio.sleep(0.005)


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def settings(**more: Any) -> SatelliteSettings:
    """Return the settings of a node with one engine, ``yara``."""
    tree: dict[str, Any] = {
        "cluster": "example",
        "node": "lon1",
        "site": "london",
        "hostname": "mx1.scout.example",
        "mail_domain": "mx.scout.example",
        "metrics": "127.0.0.1:9",
        "core": {"address": "127.0.0.1:9", "certificate": "c", "key": "k", "authority": "a"},
        "smtp": {"listen": ["127.0.0.1:25"]},
        "engines": [{"name": "yara", "kind": "yara"}],
    }
    return SatelliteSettings.model_validate(tree | more)


class AnsweringWorker(Worker):
    """A worker without a process; ``answers`` has its JSON for each question's word, or None."""

    def __init__(
        self, shard: int, answers: Mapping[str, JsonObject | None], *, retiring: bool = False
    ) -> None:
        super().__init__(
            shard,
            config=Path("none"),
            sockets=[],
            retiring=retiring,
            clock=FakeClock(),
            start=nobody,
        )
        self.answers = dict(answers)
        self.asked: list[JsonObject] = []

    async def ask(self, question: Question[AnswerT]) -> AnswerT | ErrorAnswer | None:
        self.asked.append(question_json(question))
        body = self.answers.get(question.word)
        return None if body is None else read_answer(question, body)


def status_json(**facts: object) -> JsonObject:
    """Return a shard's answer to ``status`` when all is well, but for these facts."""
    well: JsonObject = {
        "listening": True,
        "not_accepting_reason": "",
        "revision": 1,
        "states": {},
        "outbox_records": 0,
        "outbox_quarantine": 0,
        "problems": [],
    }
    return well | facts


def workers_of(*answering: AnsweringWorker, state: Path = Path("none")) -> Workers:
    """Return a node's workers that are these, without any process."""
    made = Workers(
        settings(state=str(state)),
        config=Path("none"),
        sockets=[],
        clock=FakeClock(),
        start=nobody,
    )
    made.all = list(answering)
    return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def open_spool(tmp_path: Path, clock: FakeClock) -> AsyncIterator[OpenSpool]:
    opened: list[Spool] = []

    async def again() -> Spool:
        while opened:
            await opened.pop().close()
        opened.append(await Spool.open(tmp_path / "shard-0", node="lon1", shard=0, clock=clock))
        return opened[0]

    (tmp_path / "shard-0").mkdir()
    yield again
    for spool in opened:
        await spool.close()


@pytest.fixture
async def spool(open_spool: OpenSpool) -> Spool:
    return await open_spool()


async def accept(spool: Spool, *to: str, body: bytes = SMALL) -> MessageId:
    """Return the id of a message that the spool has durably."""
    entry = spool.begin()
    entry.write(body)
    envelope = Envelope(
        client_address="192.0.2.7",
        helo="client.example",
        sender="a@sender.example",
        recipients=to or ("x@acme.example",),
    )
    await entry.commit(envelope=envelope, trace=TRACE)
    return entry.id
