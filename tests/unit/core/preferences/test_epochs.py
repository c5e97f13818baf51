"""A new epoch is later than all that is known, and nobody's word uses the numbers up."""

from __future__ import annotations

import pytest

from common.preferences import Epoch, Position
from core.preferences.epochs import (
    GENERATION_MAX,
    STEP_MAX,
    EpochRefused,
    next_generation,
    other_epoch,
)

OURS = Position(Epoch(3, "11111111-1111-4111-8111-111111111111"), 7)


def follows(generation: int, revision: int, name: str = "2") -> Position:
    return Position(Epoch(generation, name * 8 + OURS.epoch.identifier[8:]), revision)


@pytest.mark.parametrize(
    ("theirs", "problem"),
    [
        (OURS, None),
        (Position(OURS.epoch, 6), None),
        (Position(Epoch(0, ""), 0), None),
        (follows(2, 99), None),
        (Position(OURS.epoch, 8), "lon1 has revision 8 of the epoch in which this core has 7"),
        (follows(3, 1), "lon1 follows another core of generation 3, this core's is the same"),
        (follows(4, 1), "lon1 follows a later core: generation 4, this core's is 3"),
    ],
)
def test_a_node_is_told_of_when_it_takes_nothing_from_us(
    theirs: Position, problem: str | None
) -> None:
    found = other_epoch("lon1", theirs, ours=OURS)

    assert (found is None) == (problem is None)
    assert found is None or found.problem.startswith(str(problem))


def test_a_new_epoch_is_later_than_ours_and_than_all_that_was_heard_of() -> None:
    assert next_generation(3) == 4
    assert next_generation(3, known=[1, 7, 5]) == 8
    assert next_generation(3, known=[7], wished=20) == 20


def test_a_node_that_names_a_generation_far_ahead_is_told_of_and_not_followed() -> None:
    far = 3 + STEP_MAX + 1
    liar = other_epoch("par1", follows(GENERATION_MAX, 1), ours=OURS)

    assert next_generation(3, known=[5, far, (1 << 64) - 1]) == 6
    assert next_generation(3, known=[far - 1]) == far
    assert liar is not None
    assert not liar.is_near


@pytest.mark.parametrize("wished", [-1, 0, 3, GENERATION_MAX + 1])
def test_a_generation_that_would_not_win_is_refused(wished: int) -> None:
    with pytest.raises(EpochRefused):
        next_generation(3, wished=wished)
