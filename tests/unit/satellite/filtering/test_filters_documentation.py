"""Does the documentation say what the code does?"""

from __future__ import annotations

from pathlib import Path

import pytest

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


def test_the_glossary_has_each_word_once() -> None:
    lines = (DOCS / "glossary.md").read_text().splitlines()
    cells = [line.split("|")[1].strip() for line in lines if line.startswith("|")]

    found = [word for cell in cells if cell not in ("word", "---") for word in cell.split(", ")]
    assert len(found) == len(set(found))


@pytest.mark.parametrize("word", [*Outcome, State.HELD, State.WAITING, State.FROZEN, State.DAMAGED])
def test_the_glossary_has_every_outcome_and_waiting_state(word: str) -> None:
    assert word in (DOCS / "glossary.md").read_text()
