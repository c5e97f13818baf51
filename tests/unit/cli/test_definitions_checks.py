"""Does the doctor see whether a node can take definitions from the core?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cli.checks import DoctorCheck
from cli.definitions_checks import definitions_of_the_node
from common.settings.satellite import NodeDefinitionsSettings
from satellite.definitions.kept_sets import KeptSets, Standing
from satellite.definitions.set_name import SetName


def check(folder: Path) -> DoctorCheck:
    said = NodeDefinitionsSettings(engine="clamav", folder=str(folder))
    (found,) = definitions_of_the_node([said])
    assert found.name == "definitions of clamav"
    return found


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    found = check(tmp_path / "gone")

    assert (found.ok, found.found) == (False, f"there is no {tmp_path / 'gone'}")
    assert "make the folder" in found.remedy


def test_a_folder_in_which_nothing_can_be_written_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.access

    def access(path: Any, mode: int) -> bool:
        return path != tmp_path and real(path, mode)

    monkeypatch.setattr(os, "access", access)

    found = check(tmp_path)

    assert (found.ok, found.found) == (False, f"nothing can be written in {tmp_path}")


def test_what_was_written_down_and_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    KeptSets(tmp_path).record(Standing())
    (tmp_path / ".border-scout" / "standing.json").write_text("{")

    found = check(tmp_path)

    assert not found.ok
    assert "cannot be read" in found.found
    assert "move it away" in found.remedy


def test_it_says_which_set_is_in_use_and_touches_nothing(tmp_path: Path) -> None:
    assert check(tmp_path).found == f"none of the core's in {tmp_path} yet"
    assert list(tmp_path.iterdir()) == []
    sets = KeptSets(tmp_path)
    sets.record(Standing(current=SetName(7, "a" * 64)))

    assert check(tmp_path).found == f"the set 7 in {tmp_path}"
    sets.record(Standing(current=SetName(7, "a" * 64), trying=SetName(8, "b" * 64)))
    assert check(tmp_path).found == f"the set 8 is being tried in {tmp_path}"
