"""What could a log record of each class say?

Pure: strategies for Hypothesis, made from the fields as they are declared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from common.records.bounds import DIGESTS_MAX, NUMBER_MAX, TIME_US_MAX
from common.records.shape import Field, fields_of

# What no database takes is mended, and would come back as something else.
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_NAMES = _TEXTS.filter(bool)
_POINTS = st.floats(-1e8, 1e8)
_DIGESTS = st.binary(min_size=32, max_size=32).map(bytes.hex)


# A strategy learns about itself when it is first drawn from, which takes longer than the draw.
_MADE: dict[type[Any], st.SearchStrategy[Any]] = {}


def made(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for objects of a record's class, or of an item in one."""
    if cls not in _MADE:
        hints = get_type_hints(cls)
        values = {one.name: _value(one, hints[one.name]) for one in fields_of(cls)}
        _MADE[cls] = st.builds(cls, **values)
    return _MADE[cls]


def _value(field: Field, hint: Any) -> st.SearchStrategy[Any]:
    if field.name == "address":
        return _NAMES
    if field.kind.item is not None:
        return st.lists(made(field.kind.item), max_size=3).map(tuple)
    if field.name == "recipients":
        return st.lists(_NAMES, max_size=3).map(tuple)
    if field.name == "digests":
        return st.lists(_DIGESTS, max_size=DIGESTS_MAX, unique=True).map(tuple)
    highest = TIME_US_MAX if field.name.endswith("_us") else NUMBER_MAX
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: _TEXTS,
        int: st.integers(0, highest),
        float: _POINTS,
        bool: st.booleans(),
        str | None: st.none() | _TEXTS,
    }
    if hint in simple:
        return simple[hint]
    if get_origin(hint) is tuple:
        return st.lists(_TEXTS, max_size=3).map(tuple)
    assert get_origin(hint) is Mapping, f"{hint}: say here what it may hold"
    assert get_args(hint) == (str, int)
    return st.dictionaries(_TEXTS, st.integers(0, NUMBER_MAX), max_size=3)


def names_of(cls: type[Any]) -> list[str]:
    """Return the names of a dataclass's fields."""
    return [one.name for one in dataclasses.fields(cls)]
