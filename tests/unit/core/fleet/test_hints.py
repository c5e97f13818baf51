"""Who reached a server tells, through the core, all who hold mail for it; nobody is pestered."""

from __future__ import annotations

import itertools

from core.fleet.hints import HINT_S, HINT_S_MAX, Hints

LON, FRA, PAR = ("lon1", 0), ("fra1", 0), ("par1", 1)
ACME = "acme.example"


def hints(*holders: tuple[str, int], destination: str = ACME) -> Hints:
    found = Hints()
    for holder in holders:
        assert found.reported(holder, held=[destination], reached=[], now_s=0.0) == []
    return found


def reach(found: Hints, now_s: float, place: tuple[str, int] = LON) -> list[tuple[str, int]]:
    told = found.reported(place, held=[], reached=[ACME], now_s=now_s)
    assert {destination for _, destination in told} <= {ACME}
    return [holder for holder, _ in told]


def test_all_who_hold_mail_for_what_one_reached_are_told_at_once() -> None:
    assert reach(hints(FRA, PAR), 0.0) == [FRA, PAR]


def test_another_shard_of_the_same_node_is_told_too() -> None:
    assert reach(hints(("lon1", 1)), 0.0) == [("lon1", 1)]


def test_who_says_it_is_not_told_itself() -> None:
    found = Hints()

    assert found.reported(LON, held=[ACME], reached=[ACME], now_s=0.0) == []


def test_nobody_is_told_of_a_destination_that_nobody_holds() -> None:
    assert reach(hints(FRA, destination="other.example"), 0.0) == []


def test_who_delivers_again_is_told_no_more() -> None:
    found = hints(FRA)
    found.reported(FRA, held=[], reached=[], now_s=1.0)

    assert reach(found, 2.0) == []


def test_a_shard_that_left_is_not_told_and_is_told_anew_when_it_is_back() -> None:
    found = hints(FRA)
    found.left(FRA)
    assert reach(found, 1.0) == []

    found.reported(FRA, held=[ACME], reached=[], now_s=2.0)

    assert reach(found, 2.0) == [FRA]


def test_a_hint_that_leads_to_nothing_is_given_ever_more_seldom() -> None:
    found = hints(FRA)

    given = [step * 0.5 for step in range(400) if reach(found, step * 0.5)]

    waits = [later - earlier for earlier, later in itertools.pairwise(given)]
    assert waits[:4] == [HINT_S, 2 * HINT_S, 4 * HINT_S, 8 * HINT_S]
    assert max(waits) == HINT_S_MAX


def test_two_shards_that_reach_the_same_server_give_no_hint_twice() -> None:
    found = hints(FRA)

    assert reach(found, 0.0, LON) == [FRA]
    assert reach(found, 0.1, PAR) == []


def test_a_hold_that_ends_and_begins_again_is_a_new_one() -> None:
    found = hints(FRA)
    for now_s in (0.0, 5.0, 15.0):
        assert reach(found, now_s) == [FRA]
    found.reported(FRA, held=[], reached=[], now_s=16.0)
    found.reported(FRA, held=[ACME], reached=[], now_s=17.0)

    assert reach(found, 17.0) == [FRA]
    assert reach(found, 17.0 + HINT_S) == [FRA]


def test_nothing_is_remembered_of_what_is_over() -> None:
    found = hints(FRA, PAR)
    reach(found, 0.0)
    for place in (FRA, PAR, LON):
        found.left(place)

    assert (found._holds, found._holders) == ({}, {})
