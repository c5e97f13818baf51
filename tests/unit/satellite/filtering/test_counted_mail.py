"""Is each message counted once?"""

from __future__ import annotations

from satellite.filtering.counted_mail import CountedMail


def test_a_message_is_new_once() -> None:
    counted = CountedMail()

    assert [counted.is_new("1"), counted.is_new("1"), counted.is_new("2")] == [True, False, True]


def test_what_has_no_id_is_never_counted() -> None:
    assert not CountedMail().is_new("")


def test_it_remembers_so_many_and_no_more() -> None:
    counted = CountedMail(ids_max=2)
    for number in range(4):
        counted.is_new(str(number))

    assert not counted.is_new("3")
    assert counted.is_new("0")
