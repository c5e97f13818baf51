"""Does the lab's core run somewhere after each step of a move, whatever fails?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from common.errors import EnvironmentFailure
from inventory.lab import core_move
from inventory.lab.core_move import MOVES, CoreMove, core_noted, forget_core, note_core
from inventory.lab.lab_report import handshakes
from inventory.lab.lab_service import LabService
from inventory.lab.topology import LabRole, Machine

OLD, NEW = (
    Machine(name=name, role=LabRole.CORE, addresses=(), interface=name)
    for name in ("core", "core2")
)


class Moving:
    """A lab whose commands are noted; one of them may fail."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, fails: str = "", both: bool = False
    ) -> None:
        self.did: list[str] = []
        self._fails = fails
        running = [OLD, NEW] if both else [OLD]
        self.services: dict[str, LabService] = {
            f"{one.name}/core": cast(LabService, Running(self, one.name)) for one in running
        }
        self.move = CoreMove(
            folder=folder,
            services=self.services,
            holders={"core": 1, "core2": 2},
            serve=self.serve,
        )
        monkeypatch.setattr(core_move, "run_in", self.run_in)

    async def serve(self, machine: Machine) -> None:
        self.did.append(f"serve {machine.name}")

    async def run_in(self, holder: int, command: Sequence[str], **_: Any) -> tuple[int, str, str]:
        word = command[4]
        self.did.append(f"{word} {holder}")
        return (1, "", f"no {word}\n") if word == self._fails else (0, "", "")


class Running:
    """A core that runs, and is noted when it ends."""

    def __init__(self, moving: Moving, name: str) -> None:
        self._moving, self._name = moving, name

    async def end(self) -> None:
        self._moving.did.append(f"end {self._name}")


def test_the_core_is_stopped_before_it_is_backed_up_and_what_runs_there_before_it_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = Moving(tmp_path, monkeypatch, both=True)

    asyncio.run(moving.move.over(OLD, NEW))

    assert moving.did == ["end core", "backup 1", "end core2", "restore 2"]
    assert moving.services == {}


@pytest.mark.parametrize(
    ("fails", "did"),
    [
        ("backup", ["end core", "backup 1", "serve core"]),
        ("restore", ["end core", "backup 1", "restore 2", "serve core"]),
    ],
)
def test_what_cannot_be_moved_runs_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str, did: list[str]
) -> None:
    moving = Moving(tmp_path, monkeypatch, fails=fails)

    with pytest.raises(EnvironmentFailure, match=f"core {fails}: no {fails}"):
        asyncio.run(moving.move.over(OLD, NEW))

    assert moving.did == did


def test_a_backup_is_restored_without_a_hand_on_the_old_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = Moving(tmp_path, monkeypatch)

    asyncio.run(moving.move.put_back(NEW, tmp_path))

    assert moving.did == ["restore 2"]
    assert list(moving.services) == ["core/core"]


def test_what_ran_where_a_backup_cannot_be_restored_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = Moving(tmp_path, monkeypatch, fails="restore")

    with pytest.raises(EnvironmentFailure):
        asyncio.run(moving.move.put_back(OLD, tmp_path))

    assert moving.did == ["end core", "restore 1", "serve core"]


def test_where_the_core_is_is_known_to_the_next_lab_and_forgotten_by_a_new_one(
    tmp_path: Path,
) -> None:
    assert core_noted(tmp_path) == ""
    note_core(tmp_path, "core2")
    (tmp_path / MOVES / "1").mkdir(parents=True)
    assert core_noted(tmp_path) == "core2"

    forget_core(tmp_path)

    assert core_noted(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_each_tunnel_says_when_it_shook_hands_and_a_key_that_waits_is_none() -> None:
    said = "\n".join(
        "\t".join(words)
        for words in (
            ("private", "public", "51820", "off"),
            (
                "k1",
                "(none)",
                "192.0.2.1:51820",
                "10.77.1.1/32,2001:db8::1/128",
                "970",
                "1",
                "1",
                "off",
            ),
            ("k2", "(none)", "(none)", "10.77.2.1/32", "0", "0", "0", "off"),
            ("k3", "(none)", "(none)", "(none)", "990", "0", "0", "off"),
        )
    )

    found = handshakes(said, {"10.77.1.1": "lon1", "10.77.2.1": "fra1"}, now_s=1000.0)

    assert dict(found) == {"lon1": 30.0, "fra1": None}
