"""Does the house still look as its plan says, where no linter looks?

import-linter does not see a folder without ``__init__.py``, and no tool minds a file that grows, a
name that means nothing, or a link that leads nowhere.
"""

from __future__ import annotations

import ast
import configparser
import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.our_files import (
    PRODUCT,
    ROOT,
    docstring_of,
    imported,
    imported_modules,
    name_of,
    our_files,
    python_files,
)

LINES_LONG, LINES_MAX = 400, 600
FORBIDDEN_WORDS = {"util", "utils", "helpers", "misc", "manager", "managers"}
TESTING_PACKAGES = {"pytest", "hypothesis", "tests", "_pytest"}

# How a docstring says it. «Pure, but for …» is another claim: of what it does touch.
SAYS_PURE = re.compile(r"(?:^|[.:] )Pure(?:[.:]|,(?! but)| over)", re.MULTILINE)
# How the head of a file that is longer says why it is not cut.
SAYS_WHY_LONG = re.compile(r"^Long because ", re.MULTILINE)


def test_every_folder_with_python_in_it_is_a_package() -> None:
    folders = {path.parent for path in python_files(*PRODUCT, "tests")}
    unit = ROOT / "tests" / "unit"

    assert [
        name_of(folder)
        for folder in sorted(folders)
        if not folder.is_relative_to(unit) and not (folder / "__init__.py").exists()
    ] == []


def test_there_is_no_package_below_the_unit_tests() -> None:
    """A lone ``tests/unit/core/__init__.py`` would shadow ``core``."""
    assert list((ROOT / "tests" / "unit").rglob("__init__.py")) == []


def _long_files() -> dict[str, tuple[int, str]]:
    """Return the lines and the docstring of each file that is long; tests are lists of claims."""
    return {
        name_of(path): (count, docstring_of(path))
        for path in python_files(*PRODUCT, "docs", "tests")
        if not path.name.startswith("test_")
        and (count := len(path.read_bytes().splitlines())) > LINES_LONG
    }


def test_no_module_has_grown_beyond_a_walk() -> None:
    assert {name: count for name, (count, _) in _long_files().items() if count > LINES_MAX} == {}


def test_a_long_module_says_why_it_is_one() -> None:
    """A file is cut by concept, never by length; where one concept is long, its head says so."""
    assert [
        name for name, (_, head) in _long_files().items() if not SAYS_WHY_LONG.search(head)
    ] == []


def test_no_file_is_called_after_nothing() -> None:
    assert [
        name_of(path)
        for path in python_files(*PRODUCT, "tests")
        if FORBIDDEN_WORDS & set(path.stem.lower().split("_"))
    ] == []


def test_every_module_says_which_question_it_answers() -> None:
    assert [
        name_of(path)
        for path in python_files(*PRODUCT)
        if path.read_bytes().strip() and not docstring_of(path)
    ] == []


def test_the_product_does_not_lean_on_its_tests() -> None:
    assert {
        name_of(path): sorted(wrong)
        for path in python_files(*PRODUCT)
        if (wrong := imported(path) & TESTING_PACKAGES)
    } == {}


def test_what_tests_share_stands_in_their_support() -> None:
    """A test module or a conftest that others import is a harness without a room."""
    shared = {}
    for path in python_files("tests"):
        modules = [
            module
            for module in imported_modules(path)
            if module.startswith("tests.")
            and any(part.startswith("test_") or part == "conftest" for part in module.split("."))
        ]
        if modules:
            shared[name_of(path)] = modules

    assert shared == {}


def _pure_contract() -> list[str]:
    linter = configparser.ConfigParser()
    linter.read(ROOT / ".importlinter", encoding="utf-8")
    return linter["importlinter:contract:pure"]["source_modules"].split()


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_under(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def test_the_linter_holds_exactly_the_files_that_call_themselves_pure() -> None:
    """The docstring is the promise, and the contract ``pure`` in ``.importlinter`` keeps it."""
    listed = _pure_contract()
    unlisted, silent = [], []
    for path in python_files(*PRODUCT):
        is_listed = any(_is_under(_module(path), entry) for entry in listed)
        if SAYS_PURE.search(docstring_of(path)):
            unlisted += [] if is_listed else [_module(path)]
        elif is_listed and ast.parse(path.read_bytes()).body[1:]:  # a docstring promises nothing
            silent.append(_module(path))

    assert unlisted == [], "these say «Pure», and the linter does not know"
    assert silent == [], "the linter holds these to be pure, and they do not say so"


def test_the_linter_lists_each_pure_file_once_and_none_that_is_gone() -> None:
    listed = _pure_contract()
    modules = {_module(path) for path in python_files(*PRODUCT)}

    assert [entry for entry in listed if entry not in modules] == []
    assert [
        one for number, one in enumerate(listed)
        for other in [*listed[:number], *listed[number + 1:]] if _is_under(one, other)
    ] == []  # fmt: skip


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs", "examples"]
)
def test_the_links_in_the_documentation_lead_somewhere(document: str) -> None:
    start = ROOT / document
    pages = sorted(start.rglob("*.md")) if start.is_dir() else [start]
    assert pages
    dead = []
    for page in pages:
        text = re.sub(r"(?s)```.*?```", "", page.read_text(encoding="utf-8"))
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                dead.append(f"{name_of(page)}: {target}")

    assert dead == []


def test_every_decision_record_has_its_five_headings() -> None:
    headings = ["Context", "Decision", "Rejected and why", "Consequences", "Confirmed by"]
    for page in sorted((ROOT / "docs" / "adr").glob("*.md")):
        assert re.match(r"\d{4}-[a-z0-9-]+\.md", page.name), page.name
        found = re.findall(r"(?m)^## (.+)$", page.read_text(encoding="utf-8"))
        assert found == headings, page.name


def test_no_file_tells_of_one_machine_or_one_index() -> None:
    folders = "|".join(["work", "root", "home", "Users"])
    needles = re.compile(
        rb"(?<![\w.$}*>-])/(?:" + folders.encode() + rb")/\w"
        rb"|(?:extra-)?index-url|/simple/?\s|pythonhosted|artifactory",
    )
    found = [
        f"{name_of(path)}: {match[0]!r}"
        for path in our_files()
        if path != Path(__file__) and (match := needles.search(path.read_bytes()))
    ]

    assert found == []


def _entry_points() -> list[tuple[str, str, str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    return [(group, name, value) for group in groups for name, value in groups[group].items()]


@pytest.mark.parametrize(("group", "name", "value"), _entry_points())
def test_every_entry_point_leads_to_something_that_can_be_called(
    group: str, name: str, value: str
) -> None:
    point = importlib.metadata.EntryPoint(name=name, value=value, group=group)

    assert callable(point.load())
