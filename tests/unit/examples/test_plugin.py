"""Is the one import for outsiders enough, and is it what it says?"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from satellite import plugin

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*/*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_imports_nothing_else_of_ours(path: Path) -> None:
    modules = {
        node.module
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.ImportFrom) and node.module
    }

    ours = ("cli", "common", "core", "inventory", "satellite", "tests")
    assert {name for name in modules if name.startswith(ours)} == {"satellite.plugin"}


def test_all_is_all() -> None:
    names = {name for name in vars(plugin) if not name.startswith("_")} - {"annotations"}

    assert set(plugin.__all__) == names


@pytest.mark.parametrize("page", ["engines.md", "filters.md"])
def test_the_pages_point_to_the_examples(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")

    assert f"(../examples/{page.removesuffix('s.md')})" in text
    assert "satellite.plugin" in text
