"""Does anything in the product lean on itself, by way of others?

A circle of files can only be understood all at once; so can a circle of folders. import-linter
holds rooms to their layers and does not look for circles, so the graph is drawn here, from the
imports as they are written. The layers of the core are tried too: a violation of each is planted
in a copy, and the linter has to name it.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.support.our_files import PRODUCT, ROOT, python_files

Graph = Mapping[str, set[str]]

# A file of each layer of the core, and one that lies above it or beside it.
VIOLATIONS = {
    "core/web/reference.py": "core.app",
    "core/link/calls.py": "core.web.health",
    "core/web/health.py": "core.link.calls",
    "core/fleet/hints.py": "core.link.calls",
    "core/feed/session.py": "core.fleet.hints",
    "core/custody/bodies.py": "core.feed.feed",
    "core/store/schema.py": "core.custody.bodies",
    "core/quarantine/retention.py": "core.store.schema",
    "core/people/audit.py": "core.preferences.ledger",
    "core/records/messages.py": "core.quarantine.retention",
    "core/settings.py": "core.records.messages",
}


def module_of(path: Path, root: Path) -> str:
    """Return the dotted name of a file below a root; a package is named by its folder."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imported_names(path: Path) -> tuple[str, ...]:
    """Return every name that a file imports, wherever it does, as a dotted one."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += (f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(found)


def graph_of_files(files: list[Path], root: Path) -> Graph:
    """Return which modules each module imports, of those that the files are."""
    modules = {module_of(path, root): path for path in files}

    def known(name: str) -> str:
        while name and name not in modules:
            name = name.rpartition(".")[0]
        return name

    return {
        module: {known(name) for name in imported_names(path)} - {"", module}
        for module, path in modules.items()
    }


def graph_of_folders(files: list[Path], root: Path) -> Graph:
    """Return which folders each folder imports from.

    A file that lies directly in a top-level package stands for itself: it is a layer of its own,
    such as the composition root above all rooms and the settings below them.
    """
    packages = {module_of(path, root) for path in files if path.name == "__init__.py"}

    def folder(module: str) -> str:
        parent = module.rpartition(".")[0]
        return module if module in packages or "." not in parent else parent

    found: dict[str, set[str]] = {}
    for module, targets in graph_of_files(files, root).items():
        others = {folder(target) for target in targets} - {folder(module)}
        found.setdefault(folder(module), set()).update(others)
    return found


def circles(graph: Graph) -> set[frozenset[str]]:
    """Return the largest sets in which each member reaches each other one."""
    reached = {start: _reached_from(graph, start) for start in graph}
    return {
        frozenset(other for other in reached[start] if start in reached.get(other, ()))
        for start in graph
        if start in reached[start]
    }


def _reached_from(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph.get(waiting.pop(), ()):
            if target not in found:
                found.add(target)
                waiting.append(target)
    return found


def _listed(found: set[frozenset[str]]) -> list[list[str]]:
    return sorted(sorted(circle) for circle in found)


def _copied(tmp_path: Path, *packages: str) -> list[Path]:
    for package in packages:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return sorted(tmp_path.rglob("*.py"))


def _plant(root: Path, file: str, target: str) -> None:
    with (root / file).open("a", encoding="utf-8") as source:
        source.write(f"\nimport {target}\n")


def test_no_files_lean_on_each_other_in_a_circle() -> None:
    found = circles(graph_of_files(python_files(*PRODUCT), ROOT))

    assert _listed(found) == []


@pytest.mark.parametrize("package", ["core", "satellite"])
def test_no_folders_lean_on_each_other_in_a_circle(package: str) -> None:
    found = circles(graph_of_folders(python_files(package), ROOT))

    assert _listed(found) == []


@pytest.mark.parametrize(
    ("package", "file", "target", "circle"),
    [
        ("core", "core/store/schema.py", "core.custody.bodies", {"core.store", "core.custody"}),
        ("core", "core/web/request/caller.py", "core.web.api.lists", {"core.web.api"}),
        (
            "satellite",
            "satellite/spool/model/states.py",
            "satellite.link.uplink",
            {"satellite.spool.model", "satellite.link"},
        ),
    ],
)
def test_a_planted_circle_is_seen(
    tmp_path: Path, package: str, file: str, target: str, circle: set[str]
) -> None:
    files = _copied(tmp_path, package)

    _plant(tmp_path, file, target)

    found = circles(graph_of_folders(files, tmp_path))
    assert [members for members in found if circle <= members] != []


def test_each_layer_of_the_core_is_held_by_the_linter(tmp_path: Path) -> None:
    _copied(tmp_path, *PRODUCT)
    shutil.copy(ROOT / ".importlinter", tmp_path)

    for file, target in VIOLATIONS.items():
        _plant(tmp_path, file, target)

    linted = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--contract", "core"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    planted = {
        f"{module_of(tmp_path / file, tmp_path)} -> {target}" for file, target in VIOLATIONS.items()
    }
    assert linted.returncode == 1
    assert {line for line in planted if line not in linted.stdout} == set(), linted.stdout
