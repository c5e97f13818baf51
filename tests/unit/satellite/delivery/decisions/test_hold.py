"""Probes come at most 45 seconds apart, and days are counted by the spool's age."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.delivery.decisions.hold import (
    PROBE_OPEN_S_MAX,
    PROBE_PLACE_S,
    PROBE_S_MAX,
    STRANGER_S_MAX,
    is_expired,
    probe_open_s,
    probe_wait_s,
    stranger_wait_s,
)
from satellite.delivery.queue.places import MOST, PlaceKind

DAY_US = 86_400_000_000


@given(st.floats(0, 1), st.integers(0, 10_000))
def test_probes_are_never_more_than_45_seconds_apart(spread: float, away: int) -> None:
    at_once = MOST[PlaceKind.PROBE]

    wait_s = probe_wait_s(spread)
    open_s = probe_open_s(away=away, at_once=at_once)

    assert 33 < wait_s <= PROBE_S_MAX - PROBE_PLACE_S < PROBE_S_MAX == 45
    assert open_s <= wait_s
    planned = max(away * open_s / at_once, open_s)
    assert planned <= 34, "each of them has had its probe when the next are due"


def test_ten_thousand_are_asked_in_time_though_each_turn_takes_a_second_more() -> None:
    away, at_once = 10_000, MOST[PlaceKind.PROBE]
    turn_s = probe_open_s(away=away, at_once=at_once) + 1.0

    assert away * turn_s / at_once < probe_wait_s(1.0)


def test_a_probe_has_all_its_time_while_few_are_away() -> None:
    assert (
        probe_open_s(away=0, at_once=900) == probe_open_s(away=600, at_once=900) == PROBE_OPEN_S_MAX
    )
    assert probe_open_s(away=1_000_000, at_once=900) == 2.0, "and two seconds in any case"


def test_the_server_of_a_stranger_is_asked_more_and_more_seldom() -> None:
    waits = [stranger_wait_s(away_s, 0.0) for away_s in (-5.0, 0.0, 90.0, 600.0, 86_400.0)]

    assert waits == pytest.approx([42.0, 42.0, 45.0, 300.0, STRANGER_S_MAX])


def test_the_seventh_day_must_be_over() -> None:
    at = {"accepted_age_us": 5, "hold_days": 7}

    assert not is_expired(age_us=7 * DAY_US + 5, **at)
    assert is_expired(age_us=7 * DAY_US + 6, **at)
