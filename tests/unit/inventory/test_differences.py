"""Differences of settings are told by place, and secrets are not told at all."""

from __future__ import annotations

from typing import Any

import pytest

from inventory.differences import differences


def said(before: Any, after: Any) -> list[str]:
    return [str(one) for one in differences(before, after)]


def test_a_difference_is_told_by_its_place_before_and_after() -> None:
    assert said({"smtp": {"a": 1, "b": 2}, "x": 1}, {"smtp": {"a": 1, "b": 3}, "y": [1]}) == [
        "smtp.b: 2 -> 3",
        "x: 1 (gone)",
        "y: [1] (new)",
    ]


def test_an_entry_of_a_list_is_known_by_its_name() -> None:
    before = {"engines": [{"name": "yara"}, {"name": "clamav", "tries": 1}]}
    after = {"engines": [{"name": "clamav", "tries": 2}, {"name": "yara"}]}

    assert said(before, after) == ["engines[clamav].tries: 1 -> 2"]


def test_lists_without_names_and_with_doubled_names_are_values() -> None:
    assert said({"a": [1, 2]}, {"a": [2]}) == ["a: [1, 2] -> [2]"]
    assert said({"a": [{"name": 1}, {"name": 1}]}, {"a": []})[0].startswith("a: [{")


def test_the_same_has_no_differences() -> None:
    tree = {"a": [{"name": "x", "b": {}}], "c": None}

    assert said(tree, tree) == []


@pytest.mark.parametrize("name", ["password", "api_key", "TOKEN", "client_secret", "apikey"])
def test_a_secret_is_hidden_wherever_it_stands(name: str) -> None:
    lines = said(
        {"options": {name: "hunter2"}, "gone": [{"name": "x", name: "hunter2"}]},
        {"options": {name: "hunter3"}, "new": {"deep": {name: "hunter2"}}},
    )

    assert len(lines) == 3
    assert "hunter" not in str(lines)
    assert f'options.{name}: "(hidden)" -> "(hidden)"' in lines


def test_a_name_of_a_file_with_a_secret_is_shown_and_a_user_in_an_address_is_not() -> None:
    assert said({}, {"password_file": "/etc/x", "url": "http://joe:hunter2@h/x"}) == [
        'password_file: "/etc/x" (new)',
        'url: "http://(hidden)@h/x" (new)',
    ]


def test_a_long_value_is_cut() -> None:
    (line,) = said({}, {"a": "x" * 1000})

    assert len(line) < 200
