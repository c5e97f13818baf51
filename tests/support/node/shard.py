"""A shard's parts, and a node's workers without any process, as tests need them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from common.settings.satellite import SatelliteSettings
from satellite.link.status import LinkStatus
from satellite.node.channel import JsonObject
from satellite.node.parent import Worker, Workers
from satellite.node.question import ErrorAnswer, Question, question_json, read_answer
from tests.support.clock import FakeClock
from tests.support.node.spawning import nobody

DEADLINE_S = 20.0  # for anything that a test waits for; never reached when all is well

AnswerT = TypeVar("AnswerT")


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
    # The process is that of all tests, and has their memory.
    limits = {"memory_bytes_max": 0} | more.pop("limits", {})
    return SatelliteSettings.model_validate(tree | more | {"limits": limits})


LIVE = LinkStatus(connected=True, lag=0, age_s=1.0, skew_us=0, problems=(), reconnects={})


class AnsweringWorker(Worker):
    """A worker without a process; ``answers`` has its JSON for each question's word, or None."""

    def __init__(
        self, shard: int, answers: Mapping[str, JsonObject | None], *, retiring: bool = False
    ) -> None:
        super().__init__(
            shard,
            settings=settings(),
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
        read_settings=settings,
        sockets=[],
        clock=FakeClock(),
        start=nobody,
    )
    made.all = list(answering)
    return made
