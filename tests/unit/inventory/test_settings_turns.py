"""Nodes take their settings one after the other, and what they say of it decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inventory.settings_turns import (
    SAME_ANSWER_S,
    TURN_S,
    SettingsStand,
    TurnState,
    WantedSettings,
    turn_state,
    turns_of,
)

LON1 = WantedSettings("london", "lon1", "new", "old")
HAS_OLD = SettingsStand(in_force="old", state="steady", is_heard=True)
HAS_NEW = SettingsStand(in_force="new", state="steady", is_heard=True)


def test_who_has_other_settings_has_a_turn_in_the_inventorys_order() -> None:
    nodes = [WantedSettings("x", name, "new", "old") for name in ("par1", "lon2", "lon1")]

    found = turns_of(nodes, {"par1": HAS_OLD, "lon2": HAS_NEW, "lon1": HAS_OLD})

    assert [one.node for one in found.turns] == ["par1", "lon1"]
    assert (found.waiting, found.to_join) == ({}, ())


def test_a_node_that_never_takes_its_settings_comes_after_all_others() -> None:
    nodes = [WantedSettings("x", name, "new", "old") for name in ("lon1", "lon2", "par1")]
    failed = replace(HAS_OLD, state="rolled_back", told="new")
    of_others = replace(failed, told="older")

    found = turns_of(nodes, {"lon1": failed, "lon2": of_others, "par1": HAS_OLD})

    assert [one.node for one in found.turns] == ["lon2", "par1", "lon1"]


@pytest.mark.parametrize(
    ("stand", "said"),
    [
        (SettingsStand(in_force="old", state="steady", is_heard=False), "it is silent"),
        (SettingsStand(is_heard=True), "it takes no settings over its link"),
        (SettingsStand(is_heard=False), "it is silent"),  # away since the core began anew
    ],
)
def test_who_cannot_take_settings_now_is_named_with_what_to_do(
    stand: SettingsStand, said: str
) -> None:
    found = turns_of([LON1], {"lon1": stand})

    assert found.turns == ()
    assert found.waiting["lon1"].startswith(said)


def test_a_node_that_was_never_heard_begins_with_them_when_it_joins() -> None:
    assert turns_of([LON1], {}).to_join == ("lon1",)


def test_a_node_of_a_version_before_is_left_alone_while_its_settings_stay() -> None:
    stand = {"lon1": SettingsStand(is_heard=True)}

    for was in ("", "new"):
        found = turns_of([WantedSettings("london", "lon1", "new", was)], stand)
        assert (found.turns, found.waiting) == ((), {})


def test_settings_that_failed_once_are_tried_again_by_a_later_run() -> None:
    failed = SettingsStand(in_force="old", state="rolled_back", problem="not ready", is_heard=True)

    assert turns_of([LON1], {"lon1": failed}).turns == (LON1,)


@pytest.mark.parametrize(
    ("now", "waited_s", "state"),
    [
        (HAS_OLD, 1.0, TurnState.UNDER_WAY),
        (SettingsStand(in_force="old", state="trying", is_heard=True), 1.0, TurnState.UNDER_WAY),
        (SettingsStand(in_force="new", state="trying", is_heard=True), 1.0, TurnState.UNDER_WAY),
        (SettingsStand(in_force="old", state="trying", is_heard=False), 60.0, TurnState.UNDER_WAY),
        (HAS_NEW, 1.0, TurnState.DONE),
        (SettingsStand(in_force="new", state="steady", is_heard=False), 1.0, TurnState.UNDER_WAY),
        (
            SettingsStand(in_force="old", state="rolled_back", problem="not ready", is_heard=True),
            1.0,
            TurnState.FAILED,
        ),
        (
            SettingsStand(in_force="old", state="refused", problem="workers", is_heard=True),
            1.0,
            TurnState.FAILED,
        ),
        (SettingsStand(in_force="old", state="trying", is_heard=True), TURN_S, TurnState.FAILED),
        (SettingsStand(in_force="old", state="trying", is_heard=False), TURN_S, TurnState.FAILED),
    ],
)
def test_a_turn_is_over_when_the_node_says_so(
    now: SettingsStand, waited_s: float, state: TurnState
) -> None:
    found, why = turn_state(LON1, before=HAS_OLD, now=now, waited_s=waited_s)

    assert found is state
    assert bool(why) is (state is TurnState.FAILED)


def test_an_answer_about_other_settings_is_none_about_these() -> None:
    of_others = replace(HAS_OLD, state="refused", problem="workers", told="others")

    found, _ = turn_state(LON1, before=HAS_OLD, now=of_others, waited_s=SAME_ANSWER_S)

    assert found is TurnState.UNDER_WAY
    assert turns_of([LON1], {"lon1": replace(of_others, in_force="new")}).turns == ()


def test_an_answer_from_before_counts_only_when_no_other_one_comes() -> None:
    old = SettingsStand(in_force="old", state="refused", problem="workers", is_heard=True)

    assert turn_state(LON1, before=old, now=old, waited_s=1.0)[0] is TurnState.UNDER_WAY
    late, why = turn_state(LON1, before=old, now=old, waited_s=SAME_ANSWER_S)
    assert (late, why) == (TurnState.FAILED, "refused: workers")
