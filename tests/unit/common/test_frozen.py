"""An object that nobody may change is equal, hashed and copied as that of the library."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from common.frozen import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    left: int
    right: int = 2


@dataclass(frozen=True, slots=True, eq=False)
class Alone:
    left: int


@dataclass(slots=True)
class Changing:
    left: int


def test_equal_ones_are_one_key() -> None:
    assert {Pair(left=1): "a"}[Pair(left=1, right=2)] == "a"
    assert Pair(left=1) != Pair(left=1, right=3)


def test_one_by_identity_has_its_own_hash() -> None:
    assert len({Alone(1), Alone(1)}) == 2


def test_a_copy_has_the_other_fields() -> None:
    assert replace(Pair(left=1), right=5) == Pair(left=1, right=5)
    assert [one.name for one in fields(Pair)] == ["left", "right"]


def test_nothing_can_be_added() -> None:
    one: Any = Pair(left=1)
    with pytest.raises(AttributeError):
        one.middle = 3


def test_what_changes_is_no_key() -> None:
    with pytest.raises(TypeError):
        hash(Changing(1))
