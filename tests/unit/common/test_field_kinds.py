"""Does each field that crosses the border say what it holds, and is that heeded everywhere?"""

from __future__ import annotations

import dataclasses

import pytest

from common.field_kinds import FieldKind, field_kinds
from common.link import Case, Claim
from common.wire import fields


def _names(declared: type) -> set[str]:
    return {item.name for item in dataclasses.fields(declared)}


def test_every_field_of_a_case_says_what_it_holds() -> None:
    assert set(field_kinds(Case)) == _names(Case)


def test_what_a_claim_grants_is_said_as_in_the_case() -> None:
    granted = field_kinds(Claim)

    assert set(granted) == _names(Claim) - {"granted", "reason"}
    assert granted.pop("kept_for") is field_kinds(Case)["reason"]  # a claim has one of its own
    assert granted.items() <= field_kinds(Case).items()


@pytest.mark.parametrize("kind", FieldKind)
def test_the_wire_bounds_every_kind(kind: FieldKind) -> None:
    assert kind in fields._READ
