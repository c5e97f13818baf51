"""Whose processor time is counted as a child's?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.children import children_s


def put(proc: Path, pid: int, *, parent: int, used_ns: tuple[int, ...]) -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} (a ) name) S {parent} 1 1", encoding="utf-8")
    for number, ns in enumerate(used_ns):
        task = proc / str(pid) / "task" / str(pid + number)
        task.mkdir(parents=True)
        (task / "schedstat").write_text(f"{ns} 99 1\n", encoding="utf-8")


def test_children_and_theirs_count_with_all_their_threads_and_nobody_else(tmp_path: Path) -> None:
    put(tmp_path, 10, parent=1, used_ns=(7_000_000_000,))
    put(tmp_path, 20, parent=10, used_ns=(1_500_000_000, 250_000_000))
    put(tmp_path, 30, parent=20, used_ns=(1_000,))
    put(tmp_path, 40, parent=1, used_ns=(9_000_000_000,))

    assert children_s(tmp_path, root=10) == pytest.approx(1.750001)


def test_a_child_that_has_just_ended_is_none(tmp_path: Path) -> None:
    put(tmp_path, 20, parent=10, used_ns=(1_000_000_000,))
    (tmp_path / "30").mkdir()

    assert children_s(tmp_path, root=10) == pytest.approx(1.0)
