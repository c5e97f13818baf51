"""Does every citation lead to something that is in the repository?

A citation is a page of ours and what it names there: ``*Section*`` (a heading, or the first cell of
a row), ``G7``, ``U2``, ``F12``, ``B1``, ``row 12``, several with commas. Guarantees and promises
(``G7``, ``P8``) are also cited by number alone. RFCs, man pages and papers are not followed.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.our_files import ROOT, our_files

FILE = Path(__file__)
PAGES_OF = {"G": "docs/design/link-guarantees.md", "P": "docs/architecture.md"}

NUMBER = r"[GUFBIP]\d+"
PLACE = rf"\*[^*]+\*|{NUMBER}(?:[-–]{NUMBER})?|rows? \d+"
CITATION = re.compile(rf"\b(docs/[\w/-]+\.md)`*((?:, (?:{PLACE}))*)")
LINKED = re.compile(r"\]\(([^)#:\s]+\.md)\)((?:, \*[^*]+\*)*)")
# Pages in capitals are no pages of ours, save those at the root of the repository.
FOREIGN = re.compile(r"\b(?:DESIGN|FAULTS|TOOLING|SYNC|SPEED|STYLE|LESSONS)\b")
AT_THE_ROOT = {"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}
OTHER_FILES = (".proto", ".toml", ".yaml", ".importlinter", "Makefile")
CAPITALS = re.compile(r"\b[A-Z][A-Z_]+\.md\b")
# What every citation begins with; the tests read two files of three no further.
CITES = re.compile(rf"docs/|\.md|\b[{''.join(PAGES_OF)}]\d|{FOREIGN.pattern}")


def files_of(suffix: str) -> tuple[Path, ...]:
    """Return our files of a kind, but for this one, which speaks of citations."""
    return tuple(path for path in our_files() if path.name.endswith(suffix) and path != FILE)


def prose_of(source: str) -> str:
    """Return the docstrings and comments of a Python file, each as one line; none that cite not."""
    if not CITES.search(source):
        return ""
    found = [
        ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    comments = [
        token.string.lstrip("#")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    return "\n".join(" ".join(text.split()) for text in [*found, " ".join(comments)])


@cache
def prose() -> dict[str, str]:
    """Return what is written for people, by file: of Python its docstrings and comments."""
    python = {path: prose_of(path.read_text(encoding="utf-8")) for path in files_of(".py")}
    pages = {path: path.read_text(encoding="utf-8") for path in files_of(".md")}
    return {path.relative_to(ROOT).as_posix(): text for path, text in {**python, **pages}.items()}


@cache
def places_of(page: str) -> frozenset[str]:
    """Return what can be cited of a page: its headings, and the first cell of each row."""
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^#+ (?:\d+\. )?(.+)$", text)
    cells = re.findall(r"(?m)^\| ([^|]+?) \|", text)
    labels = [heading.partition(":")[0] for heading in headings]  # B1 of "B1: smuggling"
    return frozenset(plain(name) for name in [*headings, *labels, *cells])


def plain(text: str) -> str:
    """Return a section's name without what is only typography."""
    return re.sub(r"[`*]", "", text).strip().lower()


def cited(places: str) -> Iterator[str]:
    """Yield each place of a citation; a range is its two ends."""
    for name, number in re.findall(rf"\*([^*]+)\*|({NUMBER}|(?<=rows )\d+|(?<=row )\d+)", places):
        yield plain(name or number)


def missing(page: str, places: str) -> Iterator[str]:
    """Yield what a citation names and the page does not have."""
    if not (ROOT / page).is_file():
        yield page
        return
    yield from (f"{page}, {name}" for name in cited(places) if name not in places_of(page))


def test_every_page_and_section_that_is_cited_is_there() -> None:
    wrong = {
        name: lost
        for name, text in prose().items()
        if (lost := [one for found in CITATION.findall(text) for one in missing(*found)])
    }

    assert wrong == {}


def test_every_section_that_stands_beside_a_link_is_there() -> None:
    wrong = []
    for name, text in prose().items():
        for target, places in LINKED.findall(re.sub(r"(?s)```.*?```", "", " ".join(text.split()))):
            page = (ROOT / name).parent.joinpath(target).resolve()
            wrong += [f"{name}: {one}" for one in missing(str(page.relative_to(ROOT)), places)]

    assert wrong == []


@pytest.mark.parametrize("letter", PAGES_OF)
def test_every_number_that_is_cited_alone_has_its_row(letter: str) -> None:
    known = places_of(PAGES_OF[letter])
    numbers = re.compile(rf"(?<![\w.]){letter}\d{{1,2}}(?![\w.-]*\w)")
    wrong = {
        name: lost
        for name, text in prose().items()
        if (lost := [one for one in numbers.findall(text) if one.lower() not in known])
    }

    assert wrong == {}


def test_no_document_outside_the_repository_is_cited() -> None:
    others = [path for kind in OTHER_FILES for path in files_of(kind)]
    texts = prose() | {path.name: path.read_text(encoding="utf-8") for path in others}
    found = {
        name: words
        for name, text in texts.items()
        if (words := {*FOREIGN.findall(text), *CAPITALS.findall(text)} - AT_THE_ROOT)
    }

    assert found == {}


def test_a_citation_of_what_is_not_there_is_noticed() -> None:
    text = "As docs/sync.md, *Hints*, and docs/sync.md, *Dreams*, G3 say; docs/none.md too."

    assert [one for found in CITATION.findall(text) for one in missing(*found)] == [
        "docs/sync.md, dreams",
        "docs/sync.md, g3",
        "docs/none.md",
    ]
