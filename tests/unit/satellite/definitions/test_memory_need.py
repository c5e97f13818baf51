"""Is there memory for two engines, as the kernel tells it?"""

from __future__ import annotations

from pathlib import Path

import pytest

from satellite.definitions import memory_need
from satellite.definitions.memory_need import shortage
from satellite.overload.memory import ControlGroup

MIB = 1024 * 1024


def machine(folder: Path, *, available_mib: int) -> Path:
    text = f"MemTotal: 999 kB\nMemAvailable:   {available_mib * 1024} kB\n"
    (folder / "meminfo").write_text(text)
    return folder


def test_what_is_free_must_hold_the_new_one_and_a_margin(tmp_path: Path) -> None:
    assert (
        shortage(100 * MIB, factor=8.0, processes=[None], proc=machine(tmp_path, available_mib=864))
        == ""
    )

    said = shortage(
        100 * MIB, factor=8.0, processes=[None], proc=machine(tmp_path, available_mib=863)
    )

    assert said == "loading may take 864 MiB of memory, and 863 MiB are available"


def test_each_server_here_loads_its_own(tmp_path: Path) -> None:
    proc = machine(tmp_path, available_mib=1000)

    assert shortage(100 * MIB, factor=8.0, processes=[None], proc=proc) == ""
    assert "1664 MiB" in shortage(100 * MIB, factor=8.0, processes=[None, 7], proc=proc)


@pytest.mark.parametrize(("factor", "processes"), [(0.0, [None]), (8.0, [])])
def test_nothing_is_asked_where_it_does_not_matter(
    tmp_path: Path, factor: float, processes: list[int | None]
) -> None:
    proc = machine(tmp_path, available_mib=1)

    assert shortage(100 * MIB, factor=factor, processes=processes, proc=proc) == ""


def test_a_kernel_that_does_not_tell_stops_nothing(tmp_path: Path) -> None:
    assert shortage(100 * MIB, factor=8.0, processes=[None], proc=tmp_path) == ""


def test_the_control_group_of_the_engine_has_its_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{1000 * MIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon {300 * MIB}\nfile 5\n")
    group = ControlGroup(tmp_path / "memory.max", tmp_path / "memory.stat", "anon")
    monkeypatch.setattr(memory_need, "control_group", lambda _: group)
    proc = machine(tmp_path, available_mib=100_000)

    assert shortage(80 * MIB, factor=8.0, processes=[7], proc=proc) == ""
    assert "700 MiB are left" in shortage(100 * MIB, factor=8.0, processes=[7], proc=proc)
    (tmp_path / "memory.max").write_text("max\n")
    assert shortage(100 * MIB, factor=8.0, processes=[7], proc=proc) == ""
