"""Each target has its turn once in an interval, and a day of tries is told of it."""

from __future__ import annotations

from common.round_trips import TOLD_AT_ONCE_MAX, TRIES_MAX, WINDOW_S, RoundTrip
from satellite.delivery.measured_targets import MeasuredTargets

A, B, C = "a.example:25", "b.example:25", "c.example:25"
EVERY_S = 600.0


def targets(*names: str, spread: float = 0.0) -> MeasuredTargets:
    """Return targets of which, with no spread, each is due a minute after the time 0."""
    made = MeasuredTargets(every_s=EVERY_S, spread=lambda: spread)
    made.take(names, now_s=0.0)
    return made


def due(of: MeasuredTargets, now_s: float, *, silent: bool = False) -> list[str]:
    """Return all that are due and are being tried from now on."""
    found = []
    while (target := of.begin(now_s=now_s, silent=silent)) is not None:
        found.append(target)
    return found


def test_many_targets_are_spread_over_an_interval() -> None:
    chances = iter(number / 4096 for number in range(4096))
    many = MeasuredTargets(every_s=EVERY_S, spread=lambda: next(chances))
    many.take([f"m{number}.example:25" for number in range(4096)], now_s=0.0)

    each = [len(due(many, now_s)) for now_s in range(0, 601, 10)]

    assert sum(each) == 4096
    assert max(each) < 100


def test_a_target_is_tried_again_an_interval_after_the_end_of_a_try() -> None:
    one = targets(A)
    assert due(one, 59.0) == []
    assert due(one, 60.0) == [A]
    assert due(one, 5_000.0) == []  # it is still being tried

    one.ended(A, 5_000, now_s=5_001.0, silent=False)

    assert due(one, 5_600.0) == []
    assert due(one, 5_601.0) == [A]


def test_a_target_that_was_silent_waits_in_a_line_of_its_own_until_it_answers() -> None:
    both = targets(A, B)
    assert due(both, 60.0) == [A, B]
    both.ended(A, None, now_s=70.0, silent=True)
    both.ended(B, 5_000, now_s=70.0, silent=False)

    assert due(both, 1_000.0) == [B]
    assert due(both, 1_000.0, silent=True) == [A]

    both.ended(A, 5_000, now_s=1_000.0, silent=False)
    assert (due(both, 2_000.0, silent=True), due(both, 2_000.0)) == ([], [A])


def test_the_middle_round_trip_counts_and_failures_are_summed() -> None:
    one = targets(A)
    for number, rtt_us in enumerate([9_000, None, 1_000, 5_000, None]):
        one.ended(A, rtt_us, now_s=number * EVERY_S, silent=False)

    assert one.untold(now_s=4 * EVERY_S + 7.5) == (RoundTrip(A, 5_000, 5, 2, 7),)
    assert one.untold(now_s=5 * EVERY_S) == ()  # told once


def test_what_is_older_than_a_day_counts_no_more() -> None:
    one = targets(A)
    one.ended(A, 9_000, now_s=0.0, silent=False)
    one.ended(A, None, now_s=WINDOW_S + 10.0, silent=False)

    assert one.untold(now_s=WINDOW_S + 10.0) == (RoundTrip(A, None, 1, 1, 0),)


def test_much_is_told_in_parts() -> None:
    names = [f"m{number:04}.example:25" for number in range(TOLD_AT_ONCE_MAX + 1)]
    many = targets(*names)
    for name in names:
        many.ended(name, 5_000, now_s=60.0, silent=False)

    assert [one.target for one in many.untold(now_s=60.0)] == names[:-1]
    assert [one.target for one in many.untold(now_s=60.0)] == names[-1:]


def test_mail_that_reached_a_target_is_a_try_where_one_is_due() -> None:
    one = targets(A)
    one.reached(A, 5_000, now_s=10.0)
    one.reached(A, 5_000, now_s=20.0)  # of the same interval
    one.reached(B, 5_000, now_s=20.0)  # no route's, as a stranger's server

    assert due(one, 609.0) == []
    assert one.untold(now_s=20.0) == (RoundTrip(A, 5_000, 1, 0, 10),)
    assert due(one, 610.0) == [A]
    one.reached(A, 5_000, now_s=700.0)  # while it is being tried
    assert one.untold(now_s=700.0) == ()


def test_other_routes_are_other_targets_and_what_is_known_of_the_rest_stays() -> None:
    some = targets(A, B)
    for name in due(some, 60.0):
        some.ended(name, 5_000, now_s=60.0, silent=False)

    some.take([B, C], now_s=100.0)
    some.ended(A, 5_000, now_s=101.0, silent=False)  # its try ended after its route

    assert len(some) == 2
    assert some.untold(now_s=100.0) == (RoundTrip(B, 5_000, 1, 0, 40),)
    assert due(some, 160.0) == [C]
    assert due(some, 660.0) == [B]


def test_our_own_trouble_with_dns_is_no_try() -> None:
    one = targets(A)
    assert due(one, 60.0) == [A]

    one.unasked(A, now_s=61.0)

    assert one.untold(now_s=61.0) == ()
    assert due(one, 661.0) == [A]


def test_a_target_that_is_tried_every_second_weighs_no_more_than_a_word_may() -> None:
    one = targets(A)
    for second in range(3_000):
        one.ended(A, None if second % 2 else 5_000, now_s=float(second), silent=False)

    (told,) = one.untold(now_s=3_000.0)

    assert (told.tries, told.failures) == (TRIES_MAX, TRIES_MAX // 2)
