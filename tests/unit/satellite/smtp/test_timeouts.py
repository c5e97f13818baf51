"""How long a client may take."""

from __future__ import annotations

from satellite.smtp.timeouts import (
    FAREWELL_S,
    HANDSHAKE_S,
    STRESS_COMMAND_S,
    STRESS_HANDSHAKE_S,
    STRESS_SILENCE_S,
    STRESS_USELESS_S,
    STRESS_WINDOW_S,
    WINDOW_S,
    Overdue,
    Phase,
    TimeoutLimits,
    Timeouts,
)

LIMITS = TimeoutLimits(command_s=300, session_s=3600, data_bytes_per_s=500)


def test_the_wait_for_a_command_counts_from_the_answer_before() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    assert timeouts.overdue(now_s=299) is None
    timeouts.enter(Phase.COMMAND, now_s=299)
    assert timeouts.overdue(now_s=598) is None
    assert timeouts.overdue(now_s=599) is Overdue.IDLE


def test_b3_row_3_a_noop_every_299_seconds_does_not_keep_a_session_for_ever() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    for now_s in range(299, 3600, 299):
        assert timeouts.overdue(now_s=now_s) is None
        timeouts.enter(Phase.COMMAND, now_s=now_s)
    assert timeouts.overdue(now_s=3600) is Overdue.SESSION


def test_b3_row_3_data_below_the_minimum_rate_ends_with_its_window() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    timeouts.enter(Phase.DATA, now_s=0)
    for now_s in range(0, int(WINDOW_S), 10):
        timeouts.received(1)
        assert timeouts.overdue(now_s=now_s) is None
    assert timeouts.overdue(now_s=WINDOW_S) is Overdue.SLOW


def test_b3_row_3_a_slow_upload_of_25_megabytes_survives() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    timeouts.enter(Phase.DATA, now_s=0)
    sent, now_s = 0, 0.0
    while sent < 25_000_000:
        now_s += 1
        sent += 600
        timeouts.received(600)
        assert timeouts.overdue(now_s=now_s) is None
    assert now_s > 40_000


def test_b3_row_3_a_fast_beginning_does_not_pay_for_a_stalled_rest() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    timeouts.enter(Phase.DATA, now_s=0)
    timeouts.received(10_000_000)
    assert timeouts.overdue(now_s=WINDOW_S) is None
    assert timeouts.overdue(now_s=2 * WINDOW_S) is Overdue.SLOW


def test_without_a_minimum_rate_a_silent_sender_still_ends() -> None:
    timeouts = Timeouts(TimeoutLimits(command_s=300, session_s=3600, data_bytes_per_s=0), now_s=0)
    timeouts.enter(Phase.DATA, now_s=0)
    assert timeouts.overdue(now_s=WINDOW_S) is Overdue.SLOW


def test_our_own_time_is_not_the_client_s() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    timeouts.enter(Phase.COMMITTING, now_s=0)
    assert timeouts.overdue(now_s=1_000_000) is None


def test_handshakes_and_farewells_have_their_own_deadlines() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    timeouts.enter(Phase.HANDSHAKE, now_s=0)
    assert timeouts.overdue(now_s=HANDSHAKE_S) is Overdue.HANDSHAKE
    timeouts.enter(Phase.CLOSING, now_s=0)
    assert timeouts.overdue(now_s=FAREWELL_S - 1) is None
    assert timeouts.overdue(now_s=FAREWELL_S) is Overdue.FAREWELL


def test_under_stress_nobody_is_waited_for_who_says_nothing() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    for phase, wait_s, reason in (
        (Phase.COMMAND, STRESS_COMMAND_S, Overdue.IDLE),
        (Phase.HANDSHAKE, STRESS_HANDSHAKE_S, Overdue.HANDSHAKE),
        (Phase.DATA, STRESS_SILENCE_S, Overdue.SLOW),
    ):
        timeouts.enter(phase, now_s=0)
        assert timeouts.overdue(now_s=wait_s - 1, is_stressed=True) is None
        assert timeouts.overdue(now_s=wait_s) is None
        assert timeouts.overdue(now_s=wait_s, is_stressed=True) is reason


def test_under_stress_data_that_trickles_has_a_shorter_window_and_a_good_upload_goes_on() -> None:
    for octets, found in ((1, Overdue.SLOW), (600, None)):
        timeouts = Timeouts(LIMITS, now_s=0)
        timeouts.enter(Phase.DATA, now_s=0)
        for now_s in range(int(STRESS_WINDOW_S)):
            timeouts.received(octets)
            assert timeouts.overdue(now_s=now_s, is_stressed=True) is None
        assert timeouts.overdue(now_s=STRESS_WINDOW_S, is_stressed=True) is found


def test_under_stress_commands_that_lead_to_no_message_keep_no_place() -> None:
    timeouts = Timeouts(LIMITS, now_s=0)
    for now_s in range(0, int(STRESS_USELESS_S), 5):
        timeouts.enter(Phase.COMMAND, now_s=now_s)
        assert timeouts.overdue(now_s=now_s, is_stressed=True) is None
    timeouts.enter(Phase.COMMAND, now_s=STRESS_USELESS_S)
    assert timeouts.overdue(now_s=STRESS_USELESS_S, is_stressed=True) is Overdue.IDLE
    timeouts.took_a_message(now_s=STRESS_USELESS_S)
    assert timeouts.overdue(now_s=STRESS_USELESS_S + 5, is_stressed=True) is None
