"""A line that repeats itself is said once a minute, whoever makes it repeat itself."""

from __future__ import annotations

from common.repeats import SAY_AGAIN_S, SUBJECTS_MAX, Repeats


def test_a_line_is_said_once_a_minute_with_how_many_were_left_out() -> None:
    repeats = Repeats()

    told = [repeats.again("refused", now_s=float(second)) for second in range(121)]

    assert [(second, left) for second, left in enumerate(told) if left is not None] == [
        (0, 0),
        (60, 59),
        (120, 59),
    ]


def test_another_line_does_not_wait() -> None:
    repeats = Repeats()
    repeats.again("refused", now_s=0.0)

    assert repeats.again("broken", now_s=0.1) == 0


def test_very_many_lines_share_one_place_beyond_the_bound() -> None:
    repeats = Repeats()

    told = [repeats.again(number, now_s=0.001 * number) for number in range(10_000)]

    assert sum(left is not None for left in told) == SUBJECTS_MAX + 1


def test_what_was_said_long_ago_gives_up_its_place() -> None:
    repeats = Repeats()
    for number in range(SUBJECTS_MAX):
        repeats.again(number, now_s=0.0)

    assert repeats.again("new", now_s=SAY_AGAIN_S) == 0
    assert repeats.again("newer", now_s=SAY_AGAIN_S) == 0
