"""Does the report of the storms tell what was measured, and what was not?"""

from __future__ import annotations

import pytest

from tests.storms.rows import STORMS
from tests.support.storms.report import BEGIN, END, Measured, table, written

ONE = Measured(what="eight of them", mails=200, p50_s=0.1, p99_s=1.25, lag_ms=18.4, pss_mib=190)


def test_a_storm_that_was_measured_has_a_row_and_the_others_say_that_they_were_not() -> None:
    text = table([("hung engine", ONE)], thorough=True)

    cells = "eight of them | 200 | 0.10 s | 1.25 s | 18 ms | 190 MiB"
    assert f"| {STORMS['hung engine']} | {cells} |" in text
    assert text.count("| – | – |") > len(STORMS) - 2


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert written(page, "new\n") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"


def test_a_page_without_marks_is_not_written() -> None:
    with pytest.raises(ValueError, match="no <!-- storms"):
        written("a page", "new")
