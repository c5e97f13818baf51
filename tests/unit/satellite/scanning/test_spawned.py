"""Starting a helper process: the loop goes on meanwhile, and nothing is left behind."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from satellite.scanning.spawned import spawned

DEADLINE_S = 10.0
SLEEPS = ("sleep", "60")  # and two numbers more, which are seconds to it


class Gate:
    """Holds whoever starts a process until it is opened."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.held = threading.Event()
        self.children: list[subprocess.Popen[bytes]] = []
        self._really = subprocess.Popen

    def start(self, *args: Any, **options: Any) -> subprocess.Popen[bytes]:
        self.held.set()
        assert self.opened.wait(DEADLINE_S / 2), "the event loop stood still"
        self.children.append(self._really(*args, **options))
        return self.children[-1]


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(subprocess, "Popen", gate.start)
    yield gate
    gate.opened.set()


async def begun(gate: Gate) -> asyncio.Task[Any]:
    starting = asyncio.create_task(spawned(SLEEPS))
    async with asyncio.timeout(DEADLINE_S):
        while not gate.held.is_set():
            await asyncio.sleep(0.001)
    return starting


async def test_a_helper_that_starts_slowly_holds_up_no_step_of_the_event_loop(gate: Gate) -> None:
    starting = await begun(gate)

    gate.opened.set()  # nobody would, if the loop waited

    async with asyncio.timeout(DEADLINE_S):
        process = await starting
        process.kill()
        await process.ended()


async def test_a_helper_that_nobody_wants_any_more_ends_as_soon_as_it_is_there(gate: Gate) -> None:
    starting = await begun(gate)
    starting.cancel()
    await asyncio.wait([starting])

    gate.opened.set()

    async with asyncio.timeout(DEADLINE_S):
        while not gate.children or gate.children[0].returncode is None:
            await asyncio.sleep(0.001)
