"""Are numbers drawn so that what is there is seen, and what is not known is not 0?"""

from __future__ import annotations

import io
import sys

import pytest

from cli.bars import bar, can_draw, merged, sparkline


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([0, 1, 1000], "▁▂█"),
        ([None, 0, 7], "·▁█"),
        ([0.25, 0.5], "▅█"),
    ],
)
def test_a_line_has_a_column_for_each_value(values: list[float | None], line: str) -> None:
    assert sparkline(values) == line


@pytest.mark.parametrize(
    ("share", "drawn"), [(0.0, ""), (0.000001, "▏"), (0.5, "██"), (1.0, "████"), (7.0, "████")]
)
def test_a_bar_is_full_at_one_and_what_is_more_than_nothing_is_seen(
    share: float, drawn: str
) -> None:
    assert bar(share, width=4) == drawn


def test_neighbours_are_merged_until_they_fit_and_nothing_stays_unknown_by_itself() -> None:
    assert merged([1, 2, 3], width=9, of=sum) == [1, 2, 3]
    assert merged([1, None, 3, 4, None, None], width=3, of=sum) == [1, 7, None]
    assert merged([1, 5, 2, 2], width=2, of=max) == [5, 2]
    assert merged([], width=3, of=max) == []


@pytest.mark.parametrize(("encoding", "can"), [("utf-8", True), ("latin-1", False)])
def test_nothing_is_drawn_where_stdout_has_no_such_signs(
    monkeypatch: pytest.MonkeyPatch, encoding: str, can: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))

    assert can_draw() is can
