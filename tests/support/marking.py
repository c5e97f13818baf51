"""Which marks has a test?

A plugin of the test runner. Marks follow from where a test stands and which support its module
imports, so that nobody forgets one; only what neither tells is marked by hand.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path, PurePath

import pytest

TESTS = Path(__file__).parents[1]

BY_FOLDER = {
    "integration": ("integration", "cluster", "interop"),
    "faults": ("faults", "storms"),
    "interop": ("interop",),
}
# Whoever imports one of these starts with it what the mark speaks of.
BY_SUPPORT = {
    "integration": (
        "tests.support.cluster.cluster",
        "tests.support.cluster.commands",
        "tests.support.node.one_node",
        "tests.support.node.processes.Process",
        "tests.support.smtp.crossroads",
    ),
    "interop": (
        "tests.support.core.postgresql",
        "tests.support.network.named",
        "tests.support.scanning.c_icap",
        "tests.support.scanning.clamd.Clamd",
        "tests.support.smtp.postfix",
        "tests.support.smtp.senders",
    ),
}


def marks_of(path: PurePath, imported: frozenset[str]) -> set[str]:
    """Return the marks of all tests of a module.

    Args:
        path: the module's file, below the folder ``tests``.
        imported: what it imports: ``a.b`` and ``a.b.c`` for ``from a.b import c``.
    """
    by_folder = {mark for mark, folders in BY_FOLDER.items() if path.parts[0] in folders}
    by_support = {mark for mark, modules in BY_SUPPORT.items() if imported.intersection(modules)}
    return by_folder | by_support


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Return what a file imports at its top."""
    found: set[str] = set()
    for node in ast.parse(path.read_bytes(), str(path)).body:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="the tests marked long as well")


@pytest.hookimpl(tryfirst=True)  # before -m chooses by marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        path = item.path.relative_to(TESTS)
        for mark in sorted(marks_of(path, imports_of(item.path))):
            item.add_marker(mark)
    if not config.option.long:
        left_out = [item for item in items if is_left_out(item, config.args)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def is_left_out(item: pytest.Item, arguments: list[str]) -> bool:
    """Say whether a test is long, and nobody has asked for its file by name."""
    if item.get_closest_marker("long") is None:
        return False
    asked = {Path(argument.partition("::")[0]).resolve() for argument in arguments}
    return item.path.resolve() not in asked
