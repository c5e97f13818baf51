"""Does the documentation say what the code does?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app
from common.kinds import Group, factory_of, faults_of, options_taken
from common.settings.yaml_tree import parse_yaml
from common.states import State
from common.verdict import Outcome
from docs.generate.commands import commands
from inventory.model import DOCUMENT_KINDS
from satellite.filtering.catalogue import BUILT_IN
from satellite.judging.disposition import Cause

DOCS = Path(__file__).parents[4] / "docs"
PAGE = (DOCS / "filters.md").read_text(encoding="utf-8")
SECTIONS = PAGE.split("\n## ")[1:]
OF_A_FILTER = [*BUILT_IN, "greylisting", "cloudmark", "dcc", "pyzor", "rspamd", "spamassassin"]


@pytest.mark.parametrize(
    "word", [*BUILT_IN, *(c for c in Cause if c not in ("waited", "whitelist", "clean"))]
)
def test_every_filter_and_cause_is_documented(word: str) -> None:
    assert word in (DOCS / "filters.md").read_text()


@pytest.mark.parametrize("kind", ["cloudmark", "dcc", "pyzor", "rspamd", "spamassassin"])
def test_what_a_filter_that_asks_another_program_may_be_told_is_documented(kind: str) -> None:
    text = (DOCS / "filters.md").read_text(encoding="utf-8")
    common = text.partition("## Filters that ask another program")[2].partition("\n## ")[0]
    own = text.partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
    build = factory_of(Group.FILTERS, kind)
    models = [options_taken(build), options_taken(build, of_document=True)]

    assert own
    for model in models:
        assert model is not None
        assert [name for name in model.model_fields if name not in common + own] == []


def test_every_filter_has_one_section_that_says_what_an_admin_wants_to_know() -> None:
    for name in OF_A_FILTER:
        (section,) = (one for one in SECTIONS if one.startswith(f"{name}\n"))
        lower = section.lower()
        assert [
            word
            for word in ("what it is good for", "what it costs", "tested against", "what to type")
            if word not in lower
        ] == [], name
        assert f"| [{name}](#{name}) |" in PAGE, "it stands in the table of all"


def test_no_section_and_no_row_stands_twice() -> None:
    lines = [line for line in PAGE.splitlines() if re.match(r"## |\| [a-z`\[]", line)]

    firsts = [line for line in lines if line.startswith("## ") or "](#" in line]
    assert len(firsts) == len(set(firsts))
    assert len(SECTIONS) == len({one.partition("\n")[0] for one in SECTIONS})


def test_every_command_of_the_page_is_one() -> None:
    known = {one.name for one in commands(get_command(app())) if not one.is_group}
    shown = set(re.findall(r"borderscout ([a-z]+(?: [a-z]+)?)", PAGE))

    assert {one for one in shown if one not in known and one.split()[0] not in known} == set()


def _entries() -> list[dict[str, Any]]:
    """Return each filter that the page says to write into an inventory."""
    blocks = re.findall(r"```yaml\n(filters:\n.*?)```", PAGE, re.DOTALL)
    return [entry for block in blocks for entry in parse_yaml(block).value["filters"]]


@pytest.mark.parametrize("entry", _entries(), ids=lambda entry: str(entry["name"]))
def test_what_the_page_says_to_type_into_an_inventory_is_taken(entry: dict[str, Any]) -> None:
    is_whole = entry["kind"] in DOCUMENT_KINDS
    options, weights = entry.get("options"), entry.get("weights")

    assert faults_of(Group.FILTERS, entry["kind"], options, of_document=is_whole) == []
    assert is_whole or faults_of(Group.FILTERS, entry["kind"], weights, of_document=True) == []


def test_the_glossary_has_each_word_once() -> None:
    lines = (DOCS / "glossary.md").read_text().splitlines()
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("|")]

    found = [word for cell in cells if cell not in ("word", "---") for word in cell.split(", ")]
    assert len(found) == len(set(found))


@pytest.mark.parametrize("word", [*Outcome, State.HELD, State.WAITING, State.FROZEN, State.DAMAGED])
def test_the_glossary_has_every_outcome_and_waiting_state(word: str) -> None:
    assert word in (DOCS / "glossary.md").read_text()
