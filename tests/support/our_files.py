"""Which files are ours, and what do they import?

Touches the files of the repository, and asks git for their names.
"""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("cli", "common", "core", "inventory", "satellite")


@cache
def our_files() -> tuple[Path, ...]:
    """Return the files that git holds or would take, or skip where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return tuple(path for name in names if (path := ROOT / name).is_file())


def python_files(*folders: str) -> list[Path]:
    """Return our hand-written Python files below some folders."""
    return [
        path
        for path in our_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders
    ]


def name_of(path: Path) -> str:
    """Return a path as it is written in this project."""
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    """Return the top-level names of everything that a file imports, wherever it does."""
    return {module.partition(".")[0] for module in imported_modules(path)}


@cache
def imported_modules(path: Path) -> tuple[str, ...]:
    """Return every module that a file imports, with ``from a import b`` also as ``a.b``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(found))


@cache
def docstring_of(path: Path) -> str:
    """Return what a file says of itself, or nothing."""
    return ast.get_docstring(ast.parse(path.read_bytes(), str(path))) or ""
