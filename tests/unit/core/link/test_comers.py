"""Two processes on copies of one spool are told from one that starts anew."""

from __future__ import annotations

from core.link.comers import SEEN_MAX, Comers
from tests.support.core.rooms import identity

LON = identity()


def test_a_process_that_starts_anew_again_and_again_is_none_too_many() -> None:
    comers = Comers()

    assert [comers.came(LON, f"run{n}", now_s=n) for n in range(3 * SEEN_MAX)] == [""] * 48
    assert comers.came(LON, "run47", now_s=50.0) == ""


def test_of_two_that_replace_each_other_the_later_comer_is_one_too_many() -> None:
    comers = Comers()

    told = [comers.came(LON, who, now_s=float(n)) for n, who in enumerate("ABABAB")]

    assert told == ["", "", "", "", "B", ""]


def test_whose_records_were_taken_last_stays_though_it_came_later() -> None:
    comers = Comers()
    comers.came(LON, "A", now_s=0.0)
    comers.came(LON, "B", now_s=1.0)
    comers.spoke(LON, "B")
    comers.spoke(identity(life=2), "A")  # another life says nothing of this one

    told = [comers.came(LON, who, now_s=2.0) for who in "ABA"]

    assert told == ["", "", "A"]


def test_comebacks_that_are_far_apart_prove_nothing() -> None:
    comers = Comers()

    told = [comers.came(LON, who, now_s=n * 50.0) for n, who in enumerate("ABABABAB")]

    assert set(told) == {""}


def test_another_life_begins_with_nobody() -> None:
    comers = Comers()
    for n, who in enumerate("ABAB"):
        comers.came(LON, who, now_s=float(n))

    assert comers.came(identity(life=2), "A", now_s=4.0) == ""
    assert comers.came(identity(life=2), "B", now_s=5.0) == ""
    assert comers.came(identity("par1"), "A", now_s=5.0) == ""
