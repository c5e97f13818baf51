"""When does a DNS list list far more than it used to?"""

from __future__ import annotations

from satellite.filtering.list_share import SUBJECTS_MAX, SUBJECTS_MIN, WINDOW_S, ListShare


def noted(share: ListShare, prefix: str, count: int, *, listed: int, now_s: float) -> None:
    for number in range(count):
        share.note(f"{prefix}{number}", is_listed=number < listed, now_s=now_s)


def after_an_hour(*, listed: int, share_max: float = 0.5) -> ListShare:
    """Return what is known after an hour in which so many of a hundred were listed."""
    share = ListShare(share_max=share_max)
    noted(share, "before", 100, listed=listed, now_s=0.0)
    return share


def test_ten_times_what_is_usual_and_more_than_half_is_out_of_hand() -> None:
    share = after_an_hour(listed=5)
    noted(share, "now", SUBJECTS_MIN, listed=30, now_s=WINDOW_S)

    assert share.excess(WINDOW_S) == (
        "lists 30 of the last 50 that it was asked about, and before that 5.0%"
    )


def test_few_subjects_say_nothing() -> None:
    share = after_an_hour(listed=0)
    noted(share, "now", SUBJECTS_MIN - 1, listed=SUBJECTS_MIN - 1, now_s=WINDOW_S)

    assert share.excess(WINDOW_S) == ""


def test_a_list_that_always_lists_most_goes_on() -> None:
    share = after_an_hour(listed=80)
    noted(share, "now", 100, listed=100, now_s=WINDOW_S)

    assert share.excess(WINDOW_S) == ""


def test_less_than_the_set_share_goes_on() -> None:
    share = after_an_hour(listed=0)
    noted(share, "now", 100, listed=50, now_s=WINDOW_S)

    assert share.excess(WINDOW_S) == ""
    unbounded = after_an_hour(listed=0, share_max=1.0)
    noted(unbounded, "now", 100, listed=100, now_s=WINDOW_S)
    assert unbounded.excess(WINDOW_S) == ""


def test_nothing_is_usual_in_the_first_hour() -> None:
    share = ListShare(share_max=0.5)
    noted(share, "now", 100, listed=100, now_s=0.0)

    assert share.excess(0.0) == ""


def test_a_client_counts_once_an_hour_however_much_it_sends() -> None:
    share = after_an_hour(listed=0)
    for _ in range(1_000):
        share.note("spammer", is_listed=True, now_s=WINDOW_S)
    noted(share, "now", SUBJECTS_MIN, listed=0, now_s=WINDOW_S)

    assert share.excess(WINDOW_S) == ""


def test_a_client_that_was_listed_meanwhile_counts_as_listed() -> None:
    share = after_an_hour(listed=0)
    noted(share, "now", SUBJECTS_MIN, listed=0, now_s=WINDOW_S)
    noted(share, "now", SUBJECTS_MIN, listed=SUBJECTS_MIN, now_s=WINDOW_S + 1)

    assert share.excess(WINDOW_S + 1)


def test_what_was_out_of_hand_does_not_become_usual() -> None:
    share = after_an_hour(listed=0)
    noted(share, "now", 100, listed=100, now_s=WINDOW_S)
    assert share.excess(WINDOW_S)
    share.forget_the_hour()
    assert share.excess(WINDOW_S) == ""

    noted(share, "again", 100, listed=100, now_s=3 * WINDOW_S)

    assert share.excess(3 * WINDOW_S)


def test_the_hour_passes() -> None:
    share = after_an_hour(listed=0)
    noted(share, "now", 100, listed=100, now_s=WINDOW_S)

    assert share.excess(2 * WINDOW_S) == ""


def test_what_is_remembered_is_bounded() -> None:
    share = ListShare(share_max=0.5)
    noted(share, "old", SUBJECTS_MAX, listed=0, now_s=0.0)
    noted(share, "new", SUBJECTS_MAX, listed=SUBJECTS_MAX, now_s=1.0)

    assert share.excess(1.0).startswith(f"lists {SUBJECTS_MAX} of the last {SUBJECTS_MAX} ")
