"""Does whoever waits for a change of the lab always learn how it went?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from common.errors import LocalError
from inventory.lab import lab_state
from inventory.lab.first_process import change_when_told
from inventory.lab.lab_state import LabState
from inventory.lab.topology import INVENTORY
from inventory.lab.world import World

WAIT_S = 10.0


class FailingWorld:
    """Stands in for a lab whose change fails in a way."""

    def __init__(self, folder: Path, error: Exception) -> None:
        self.folder = folder
        self.file = folder
        self.state = LabState(process=os.getpid(), began="1", folder=str(folder))
        self._error = error

    async def change(self, *, is_forced: bool) -> None:
        assert not is_forced
        raise self._error


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(lab_state, "STATE", tmp_path / "state.json")
    (tmp_path / INVENTORY).write_text("/nowhere/lab.yaml", encoding="utf-8")
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


async def changed(world: FailingWorld, *, times: int) -> str:
    """Return what is noted after some changes."""
    changing = asyncio.create_task(change_when_told(cast(World, world)))
    await asyncio.sleep(0)
    for time in range(1, times + 1):
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(WAIT_S):
            while world.state.changes < time and not changing.done():
                await asyncio.sleep(0.01)
    assert not changing.done()
    changing.cancel()
    return world.state.problem


def test_a_change_that_fails_says_why(tmp_path: Path) -> None:
    world = FailingWorld(tmp_path, LocalError("no room", hint="make some"))

    assert asyncio.run(changed(world, times=1)) == "no room; make some"


def test_one_that_fails_as_nobody_foresaw_says_why_and_another_is_tried(tmp_path: Path) -> None:
    world = FailingWorld(tmp_path, KeyError("dns/named"))

    problem = asyncio.run(changed(world, times=2))

    assert problem == f"unforeseen: KeyError: 'dns/named'; see {tmp_path / 'lab.log'}"
