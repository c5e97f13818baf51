"""Is the lab that is noted the one that is up?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from common.errors import LocalError
from inventory.lab import lab_start, lab_state
from inventory.lab.lab_state import LabState, began, read_state, take_lock


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_state, "STATE", tmp_path / "state.json")
    monkeypatch.setattr(lab_state, "LOCK", tmp_path / "lock")


def noted(*, began_at: str, process: int = 0) -> LabState:
    state = LabState(process=process or os.getpid(), began=began_at, folder="/nowhere")
    state.write()
    return state


def test_a_lab_whose_process_lives_is_up() -> None:
    noted(began_at=began(os.getpid()))

    found = read_state()

    assert found is not None
    assert found.process == os.getpid()


def test_a_process_that_has_the_id_of_one_that_ended_is_no_lab() -> None:
    noted(began_at=str(int(began(os.getpid())) + 1))

    assert read_state() is None


def test_down_kills_nobody_who_is_not_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda process, _number: killed.append(process))
    noted(began_at="1")
    half = lab_state.STATE.with_name(f"{lab_state.STATE.name}.part")
    half.touch()

    assert lab_start.end_lab() is None

    assert killed == []
    assert not lab_state.STATE.exists()
    assert not half.exists()
    assert not lab_state.LOCK.exists()


def test_two_labs_are_not_up_at_once() -> None:
    with take_lock(), pytest.raises(LocalError, match="a lab is up on this machine; end it with"):
        take_lock()


def test_a_lock_that_was_taken_away_is_made_anew() -> None:
    first = take_lock()
    lab_state.remove_traces(first)

    with take_lock() as second:
        assert lab_state.LOCK.stat().st_ino == os.fstat(second.fileno()).st_ino


def test_a_note_that_nobody_can_read_says_so() -> None:
    lab_state.STATE.write_text("{")

    with pytest.raises(LocalError, match="is damaged; see borderscout lab down"):
        read_state()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "machines").mkdir()

    with pytest.raises(LocalError, match="holds something else; name an empty folder"):
        lab_start._own_folder(theirs)


def test_a_folder_that_the_machines_cannot_see_is_refused() -> None:
    with pytest.raises(LocalError, match="the lab's machines have a /var/lib of their own"):
        lab_start._own_folder(Path("/var/lib/lab"))


def test_without_root_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert lab_start.why_not().startswith("a lab takes root")


def test_what_is_not_installed_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def which(tool: str, *, path: str) -> str | None:
        return None if tool in ("wg", "nft") else f"{path}/{tool}"

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", which)

    assert lab_start.why_not() == (
        "nft, wg not found;"
        " install with: apt-get install --no-install-recommends nftables wireguard-tools"
    )
