"""Does whoever waits for a change of the lab always learn how it went?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from common.errors import EnvironmentFailure, LocalError
from inventory.lab import lab_start, lab_state
from inventory.lab.first_process import change_when_told
from inventory.lab.lab_start import change_lab
from inventory.lab.lab_state import LabState
from inventory.lab.topology import ASKED, INVENTORY
from inventory.lab.world import World
from inventory.load import load_inventory, no_progress

WAIT_S = 10.0
LAB = Path(__file__).parents[3] / "examples" / "lab.yaml"


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
    for asked in map(str, range(times)):
        (world.folder / ASKED).write_text(asked, encoding="utf-8")
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(WAIT_S):
            while world.state.answered != asked and not changing.done():
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


def noted(folder: Path, **more: Any) -> LabState:
    """Let a lab be up, which is this process."""
    process = os.getpid()
    state = LabState(
        process=process,
        began=lab_state.began(process),
        folder=str(folder),
        is_ready=True,
        **more,
    )
    state.write()
    return state


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Ask for a change, of which nothing is rendered."""
    monkeypatch.setattr(lab_start, "put_core", lambda *_, **_more: None)
    monkeypatch.setattr(lab_start, "POLL_S", 0.0)
    read = load_inventory(LAB)
    return lambda: change_lab(read, LAB, is_forced=False, progress=no_progress)


def test_who_asks_waits_for_his_own_change_and_not_for_one_that_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], None]
) -> None:
    noted(tmp_path)
    answers = [("of the former", ""), ("", "no room")]

    def answer() -> LabState | None:
        if told and answers:
            name, problem = answers.pop(0)
            asked = (tmp_path / ASKED).read_text(encoding="utf-8")
            return replace(noted(tmp_path), answered=name or asked, problem=problem)
        return noted(tmp_path)

    told: list[int] = []
    monkeypatch.setattr(lab_state, "read_state", answer)
    monkeypatch.setattr(os, "kill", lambda _process, number: told.append(number))

    with pytest.raises(EnvironmentFailure, match="no room"):
        ask()

    assert told == [signal.SIGHUP]


def test_two_do_not_ask_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], None]
) -> None:
    noted(tmp_path)
    others: list[str] = []

    def kill(_process: int, _number: int) -> None:
        with pytest.raises(LocalError) as refused:
            ask()
        others.append(str(refused.value))
        noted(tmp_path, answered=(tmp_path / ASKED).read_text(encoding="utf-8"))

    monkeypatch.setattr(os, "kill", kill)
    ask()

    assert others == ["the lab is being changed; wait until that is done"]
