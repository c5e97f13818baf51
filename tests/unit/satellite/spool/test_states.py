"""The table of states is whole, and the documentation shows just it."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from satellite.spool.picture import diagram, table
from satellite.spool.states import (
    OUTCOMES,
    TABLE,
    IllegalTransition,
    Recovery,
    State,
    check_transition,
)

DOCUMENT = Path(__file__).parents[4] / "docs" / "spool.md"


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_a_step_is_taken_just_when_the_table_has_it(before: State, after: State) -> None:
    if after in TABLE[before].after:
        check_transition(before, after)
        return
    with pytest.raises(IllegalTransition):
        check_transition(before, after)


def test_every_state_stands_in_the_table() -> None:
    assert set(TABLE) == set(State)


def test_an_outcome_is_final_and_nothing_else_is() -> None:
    for state, row in TABLE.items():
        assert (state in OUTCOMES) == (not row.after) == (row.recovery is Recovery.NOTHING)


def test_every_state_leads_to_an_outcome() -> None:
    ending = set(OUTCOMES)
    while grown := {s for s, row in TABLE.items() if row.after & ending} - ending:
        ending |= grown

    assert ending == set(State)


def test_delivered_comes_after_the_sending_mark_alone() -> None:
    assert [s for s, row in TABLE.items() if State.DELIVERED in row.after] == [State.SENDING]


def test_the_documentation_shows_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    assert table() in text
    assert diagram() in text
