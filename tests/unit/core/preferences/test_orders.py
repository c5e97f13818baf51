"""An order goes on top of what was ordered before, and an empty one is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.preferences import Document, Kind
from common.preferences.bodies import HoldBody
from common.preferences.documents import check_document
from core.preferences.orders import ordered

STANDING = HoldBody(hold_days=14, deliver_to=("backup.example:25",), reason="moved house")


def body(document: Document) -> dict[str, Any]:
    assert check_document(document).kind == Kind.HOLD
    found: dict[str, Any] = json.loads(document.body)
    return found


def test_a_first_order_holds_what_was_named_and_nothing_else() -> None:
    document = ordered("acme.example", None, {"hold_days": 14})

    assert (document.kind, document.key, document.removed) == (Kind.HOLD, "acme.example", False)
    assert body(document) == {"hold_days": 14}


def test_a_further_order_leaves_the_others_standing() -> None:
    document = ordered("acme.example", STANDING, {"bounce_before_us": 5, "reason": "closed"})

    assert body(document) == {
        "hold_days": 14,
        "deliver_to": ["backup.example:25"],
        "bounce_before_us": 5,
        "reason": "closed",
    }


def test_the_last_order_of_a_kind_counts() -> None:
    assert body(ordered("acme.example", STANDING, {"hold_days": 3}))["hold_days"] == 3


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"hold_days": None}, {"deliver_to": ["backup.example:25"], "reason": "moved house"}),
        ({"deliver_to": []}, {"hold_days": 14, "reason": "moved house"}),
    ],
)
def test_a_part_is_taken_back_by_its_default(given: dict[str, Any], left: dict[str, Any]) -> None:
    assert body(ordered("acme.example", STANDING, given)) == left


def test_when_nothing_is_ordered_any_more_the_document_goes_reason_and_all() -> None:
    given: dict[str, Any] = {"hold_days": None, "deliver_to": [], "reason": "all is well"}

    assert ordered("acme.example", STANDING, given).removed
