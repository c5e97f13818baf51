"""Has each thing one word, and each word one thing?

A class name that stands for two things makes the reader ask which; a file that is named by a word
that nobody explains makes the stranger guess.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

from tests.support.our_files import PRODUCT, ROOT, name_of, python_files

# Migrations are named by their number, and what alembic runs by alembic.
UNNAMED = {"__init__", "__main__", "env"}


def doubled(files: list[Path]) -> dict[str, list[str]]:
    """Return the public classes that stand in several files, each with those files."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in files:
        for node in ast.parse(path.read_bytes(), str(path)).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name_of(path))
    return {name: places for name, places in found.items() if len(places) > 1}


def unexplained(stems: set[str], glossary: str) -> set[str]:
    """Return the words of file names that a glossary does not have, alone or in a list of words."""
    firsts = re.findall(r"(?m)^\| ([^|]+) \|", glossary)
    words = {word.strip().lower() for cell in firsts for word in cell.split(",")}
    return {stem for stem in stems if not _forms(stem.replace("_", " ")) & words}


def _forms(word: str) -> set[str]:
    return {word, f"{word}s", word.removesuffix("s")}


def stems(files: list[Path]) -> set[str]:
    """Return the names of files as words, without those that are numbered or Python's own."""
    names = {path.stem for path in files if "migrations/versions" not in path.as_posix()}
    return names - UNNAMED


def test_no_class_name_stands_for_two_things() -> None:
    assert doubled(python_files(*PRODUCT)) == {}


def test_the_glossary_has_every_word_that_a_file_is_named_by() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")

    assert sorted(unexplained(stems(python_files(*PRODUCT)), glossary)) == []


def test_a_class_name_that_is_given_twice_is_found(tmp_path: Path) -> None:
    files = [ROOT / "common" / "clock.py", ROOT / "common" / "clock.py"]

    assert "Clock" in doubled(files)


def test_a_word_that_nobody_explains_is_found() -> None:
    glossary = "| word | means |\n| --- | --- |\n| lane, lanes | the queue of one destination |\n"

    assert unexplained({"lane", "lanes", "turnstile"}, glossary) == {"turnstile"}
