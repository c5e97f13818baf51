"""Does whoever waits for a change of the lab always learn how it went?"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from common.errors import EnvironmentFailure, LocalError
from inventory.lab import lab_start, lab_state
from inventory.lab.core_move import note_core
from inventory.lab.first_process import change_when_told
from inventory.lab.lab_start import change_lab, move_core
from inventory.lab.lab_state import LabState
from inventory.lab.topology import ASKED, CLUSTER, INVENTORY, MOVE
from inventory.lab.world import World
from inventory.load import load_inventory, no_progress
from inventory.model import Inventory

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


def with_the_core_on(folder: Path, machine: str) -> None:
    """Let a lab have begun with a core and a standby, and the core run on one of them."""
    for name in ("core", "core2"):
        (folder / CLUSTER / name).mkdir(parents=True)
        (folder / CLUSTER / name / "core.yaml").touch()
    note_core(folder, machine)


@pytest.mark.parametrize(
    ("core", "said"),
    [
        (
            {"standbys": []},
            "this lab began with core, core2 for the core, and the inventory has core;",
        ),
        (
            {"runs_on": "core"},
            "the core is on core2, and not on core, as the inventory says; move it",
        ),
    ],
)
def test_other_machines_for_the_core_or_another_place_of_it_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, core: dict[str, Any], said: str
) -> None:
    noted(tmp_path)
    with_the_core_on(tmp_path, "core2")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("nothing is asked for"))
    tree = yaml.safe_load(LAB.read_text(encoding="utf-8"))
    other = Inventory.model_validate(tree | {"core": tree["core"] | core})

    with pytest.raises(LocalError, match=said):
        change_lab(other, LAB, is_forced=False, progress=no_progress)


@pytest.mark.parametrize("core", [{}, {"runs_on": "core2"}])
def test_an_inventory_that_says_nothing_or_the_same_of_the_cores_place_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, core: dict[str, Any]
) -> None:
    noted(tmp_path)
    with_the_core_on(tmp_path, "core2")
    monkeypatch.setattr(lab_start, "put_core", lambda *_, **_more: None)
    monkeypatch.setattr(os, "kill", lambda *_: answered(tmp_path))
    tree = yaml.safe_load(LAB.read_text(encoding="utf-8"))
    same = Inventory.model_validate(tree | {"core": tree["core"] | core})

    change_lab(same, LAB, is_forced=False, progress=no_progress)


def answered(folder: Path) -> None:
    noted(folder, answered=(folder / ASKED).read_text(encoding="utf-8"))


def test_a_move_is_told_to_the_lab_and_is_no_change_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], None]
) -> None:
    noted(tmp_path)
    told: list[Any] = []

    def kill(_process: int, _number: int) -> None:
        move = tmp_path / MOVE
        told.append(json.loads(move.read_bytes()) if move.exists() else "a change")
        answered(tmp_path)

    monkeypatch.setattr(os, "kill", kill)
    move_core("core2", tmp_path / "backup")
    move_core("core", None)
    (tmp_path / MOVE).write_text("of one that was killed while it waited")
    ask()

    assert told == [
        {"to": "core2", "backup": str(tmp_path / "backup")},
        {"to": "core", "backup": None},
        "a change",
    ]


class MovingWorld(FailingWorld):
    """Stands in for a lab that notes how its core is moved."""

    moved: tuple[str, Path | None] | None = None

    async def move_core(self, name: str, backup: Path | None) -> None:
        self.moved = (name, backup)


def test_the_lab_moves_its_core_when_that_is_asked_for(tmp_path: Path) -> None:
    world = MovingWorld(tmp_path, LocalError("a change"))
    (tmp_path / MOVE).write_text(json.dumps({"to": "core2", "backup": "/backup"}))

    assert asyncio.run(changed(world, times=1)) == ""
    assert world.moved == ("core2", Path("/backup"))
