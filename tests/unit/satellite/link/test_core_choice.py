"""A core that is lost is waited for, then looked for at its other addresses, for ever."""

from __future__ import annotations

from itertools import pairwise

import pytest

from satellite.link.accepted_core import JUDGED_S
from satellite.link.core_choice import SPREAD, ChoiceWaits, CoreChoice, Reached

WAITS = ChoiceWaits(lost_s=15.0, trial_s=5.0, trial_longest_s=20.0, judged_s=10.0)
A, B, C = "192.0.2.1:7443", "192.0.2.2:7443", "192.0.2.3:7443"
STEP_S = 0.5


class Dialled:
    """A choice, looked at every half second."""

    def __init__(self, *addresses: str, spread: float = 0.0) -> None:
        self.choice = CoreChoice(addresses, waits=WAITS)
        self._spread = spread
        self.now_s = 1000.0

    def finds(self, reached: Reached, *, seconds: float = STEP_S) -> list[tuple[float, str]]:
        """Return the moves while this is what is reached: after how many seconds, where to."""
        moves, begun_s = [], self.now_s
        while self.now_s < begun_s + seconds:
            if self.choice.look(reached, now_s=self.now_s, spread=self._spread):
                moves.append((self.now_s - begun_s, self.choice.address))
            self.now_s += STEP_S
        return moves


def test_the_first_address_is_the_first_that_is_dialled_and_the_same_one_is_none_beside() -> None:
    choice = CoreChoice((A, A))

    assert (choice.address, choice.is_standby, choice.others) == (A, False, ())


@pytest.mark.parametrize("reached", Reached)
def test_one_address_is_dialled_for_ever(reached: Reached) -> None:
    dialled = Dialled(A)

    assert dialled.finds(reached, seconds=1000.0) == []
    assert dialled.choice.moves == 0


def test_a_core_that_is_accepted_is_kept() -> None:
    assert Dialled(A, B).finds(Reached.ACCEPTED, seconds=1000.0) == []


def test_a_core_that_is_restarted_makes_nobody_move() -> None:
    dialled = Dialled(A, B)
    dialled.finds(Reached.ACCEPTED)

    for _ in range(5):
        assert dialled.finds(Reached.NOTHING, seconds=14.5) == []
        assert dialled.finds(Reached.ACCEPTED) == []


def test_a_core_that_is_lost_is_waited_for_and_then_looked_for_elsewhere() -> None:
    dialled = Dialled(A, B)
    dialled.finds(Reached.ACCEPTED)

    assert dialled.finds(Reached.NOTHING, seconds=16.0) == [(15.0, B)]
    assert (dialled.choice.is_standby, dialled.choice.moves) == (True, 1)
    assert dialled.choice.others == (A,)


def test_an_address_with_nothing_is_left_soon_and_the_first_comes_after_the_last() -> None:
    dialled = Dialled(A, B, C)

    found = dialled.finds(Reached.NOTHING, seconds=17.0)

    assert found == [(5.0, B), (10.5, C), (16.0, A)]


def test_each_round_in_vain_makes_the_next_one_slower_up_to_a_limit() -> None:
    dialled = Dialled(A, B)

    left_s = [after_s for after_s, _ in dialled.finds(Reached.NOTHING, seconds=200.0)]

    stays_s = [after - before for before, after in pairwise([-0.5, *left_s])]
    assert stays_s[:7] == [5.5, 5.5, 10.5, 10.5, 20.5, 20.5, 20.5]


def test_a_core_that_was_found_makes_the_next_search_fast_again() -> None:
    dialled = Dialled(A, B)
    dialled.finds(Reached.NOTHING, seconds=200.0)
    dialled.finds(Reached.ACCEPTED)

    [(lost_s, _), (trial_s, _)] = dialled.finds(Reached.NOTHING, seconds=21.0)

    assert (lost_s, trial_s - lost_s) == (15.0, 5.5)


def test_a_connection_whose_core_is_not_judged_yet_has_more_time() -> None:
    assert Dialled(A, B).finds(Reached.UNJUDGED, seconds=16.0) == [(15.0, B)]
    assert ChoiceWaits().judged_s >= JUDGED_S


def test_a_core_that_never_comes_to_a_verdict_is_left_all_the_same() -> None:
    dialled = Dialled(A, B)
    dialled.finds(Reached.ACCEPTED)

    for _ in range(24):
        assert dialled.finds(Reached.UNJUDGED) == []
    assert dialled.finds(Reached.NOTHING, seconds=5.0) == [(3.0, B)]


def test_a_core_that_is_refused_is_left_at_once_while_there_are_others() -> None:
    dialled = Dialled(A, B, C)

    assert dialled.finds(Reached.REFUSED) == [(0.0, B)]
    assert dialled.finds(Reached.REFUSED) == [(0.0, C)]
    assert dialled.finds(Reached.ACCEPTED) == []
    assert dialled.finds(Reached.REFUSED) == [(0.0, A)]


def test_where_all_are_refused_nobody_is_dialled_in_a_rush() -> None:
    dialled = Dialled(A, B)

    moves = dialled.finds(Reached.REFUSED, seconds=60.0)

    assert [place for _, place in moves][:3] == [B, A, B]
    assert len(moves) <= 6
    assert all(later - sooner >= 5.0 for (sooner, _), (later, _) in pairwise(moves))


def test_nodes_that_lost_their_core_together_do_not_move_together() -> None:
    moved_s = []
    for spread in (0.0, 0.5, 0.99):
        dialled = Dialled(A, B, spread=spread)
        dialled.finds(Reached.ACCEPTED)
        [(after_s, _)] = dialled.finds(Reached.NOTHING, seconds=20.5)
        moved_s.append(after_s)

    assert moved_s == [15.0, 17.5, 20.0]
    assert moved_s[-1] <= 15.0 * (1.0 + SPREAD) + STEP_S


def test_one_that_is_told_of_is_dialled_at_once() -> None:
    dialled = Dialled(A, B, C)
    dialled.finds(Reached.ACCEPTED)

    dialled.choice.go(C)

    assert (dialled.choice.address, dialled.choice.others) == (C, (A, B))
    assert dialled.finds(Reached.NOTHING, seconds=5.5) == [(5.0, A)], "as any that is on trial"
