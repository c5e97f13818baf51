"""Probes come at most 45 seconds apart, and days are counted by the spool's age."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from satellite.delivery.decisions.hold import (
    PROBE_S_MAX,
    is_expired,
    probe_connect_s,
    probe_wait_s,
)

DAY_US = 86_400_000_000


@given(st.floats(0, 1), st.integers(1, 16))
def test_probes_are_never_more_than_45_seconds_apart(spread: float, hosts: int) -> None:
    wait_s = probe_wait_s(spread)

    assert 36 <= wait_s <= PROBE_S_MAX == 45
    assert hosts * probe_connect_s(30.0, hosts=hosts) <= wait_s + 1e-6


def test_the_seventh_day_must_be_over() -> None:
    at = {"accepted_age_us": 5, "hold_days": 7}

    assert not is_expired(age_us=7 * DAY_US + 5, **at)
    assert is_expired(age_us=7 * DAY_US + 6, **at)
