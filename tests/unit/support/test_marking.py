"""Do marks follow from where a test stands, and from what it starts?"""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePath

import pytest

from tests.support import marking
from tests.support.marking import imports_of, marks_of

NOTHING: frozenset[str] = frozenset()
PROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_a_folder_marks_what_stands_in_it() -> None:
    assert marks_of(PurePath("faults/test_kill.py"), NOTHING) == {"faults"}
    assert marks_of(PurePath("interop/test_senders.py"), NOTHING) == {"integration", "interop"}
    assert marks_of(PurePath("unit/faults/test_x.py"), NOTHING) == set()


def test_support_that_starts_programs_marks_who_imports_it() -> None:
    path = PurePath("unit/test_x.py")

    assert marks_of(path, frozenset({"tests.support.node.one_node"})) == {"integration"}
    assert marks_of(path, frozenset({"tests.support.scanning.clamd.Clamd"})) == {"interop"}
    assert marks_of(path, frozenset({"tests.support.scanning.clamd.EICAR"})) == set()


@pytest.mark.parametrize(
    "module", sorted({name for names in marking.BY_SUPPORT.values() for name in names})
)
def test_every_support_that_marks_is_there(module: str) -> None:
    root = marking.TESTS.parent
    holder, _, name = module.rpartition(".")

    if not (root / f"{module.replace('.', '/')}.py").exists():
        source = (root / f"{holder.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert f"class {name}" in source


def test_every_mark_that_is_declared_marks_something() -> None:
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    declared = {
        line.partition(":")[0].partition("(")[0]
        for line in project["tool"]["pytest"]["ini_options"]["markers"]
    }
    files = sorted(marking.TESTS.rglob("test_*.py"))
    by_rule = {
        mark
        for file in files
        for mark in marks_of(file.relative_to(marking.TESTS), imports_of(file))
    }
    by_hand = {
        mark
        for mark in declared - by_rule
        if any(f"pytest.mark.{mark}" in file.read_text(encoding="utf-8") for file in files)
    }

    assert declared == by_rule | by_hand
