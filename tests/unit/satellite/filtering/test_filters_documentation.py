"""Does the documentation say what the code does?"""

from __future__ import annotations

from pathlib import Path

import pytest

from common.kinds import Group, factory_of, options_taken
from common.states import State
from common.verdict import Outcome
from satellite.filtering.catalogue import BUILT_IN
from satellite.judging.disposition import Cause

DOCS = Path(__file__).parents[4] / "docs"


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


def test_the_glossary_has_each_word_once() -> None:
    lines = (DOCS / "glossary.md").read_text().splitlines()
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("|")]

    found = [word for cell in cells if cell not in ("word", "---") for word in cell.split(", ")]
    assert len(found) == len(set(found))


@pytest.mark.parametrize("word", [*Outcome, State.HELD, State.WAITING, State.FROZEN, State.DAMAGED])
def test_the_glossary_has_every_outcome_and_waiting_state(word: str) -> None:
    assert word in (DOCS / "glossary.md").read_text()
