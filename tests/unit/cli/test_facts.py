"""Does a person hear what a record tells, and no more?"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.facts import facts
from common.records import from_object
from common.records.every import RECORDS, Record
from tests.support.made_records import made

OWN = {"rules": "own", "scope": "customer/acme", "outcome": "infected", "threats": ["Invoice"]}


@pytest.mark.parametrize(
    ("event", "fields", "said"),
    [
        (
            "accepted",
            {"client": "192.0.2.7", "helo": "mail", "tls": "TLSv1.3", "recipients": ["x@a", "y@a"]},
            ["from 192.0.2.7", "helo mail", "with TLSv1.3", "2 recipients"],
        ),
        ("rejected", {"recipients": ["x@a"]}, ["x@a"]),
        (
            "scanned",
            {"verdicts": [{"by": "clamav", "outcome": "clean"}], "score": 0.5, "revision": 7},
            ["clamav clean", "score 0.5", "revision 7"],
        ),
        (
            "scanned",
            {"verdicts": [{"by": "yara", "outcome": "clean", "scoped": [OWN, OWN]}]},
            ["yara clean (customer/acme: infected)", "score 0.0", "revision 0"],
        ),
        (
            "judged",
            {
                "recipients": [{"address": "x@a", "disposition": "drop", "reason": "virus"}],
                "quarantine_reason": "virus",
            },
            ["quarantined as virus", "x@a drop, virus"],
        ),
        (
            "attempted",
            {"destination": "a", "host": "h:25", "recipients": [{"address": "x", "reply": "250"}]},
            ["to a", "at h:25", "x 250"],
        ),
        ("frozen", {"recipients": ["x@a"], "reason": "stopped"}, ["because stopped", "x@a"]),
        (
            "ended",
            {"recipients": [{"address": "x@a", "outcome": "bounced", "reason": "no"}]},
            ["x@a bounced, no"],
        ),
        ("released", {"release_id": "R", "released_from": "M"}, ["release R", "of M"]),
        ("teleported", {"to": "mars", "ms": 7, "why": ""}, ["to mars", "ms 7"]),
    ],
)
def test_a_record_is_said_in_few_words(event: str, fields: dict[str, Any], said: list[str]) -> None:
    assert facts(from_object(event, fields)) == said


@pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=10)
@given(data=st.data())
def test_every_record_can_be_said(cls: type[Record], data: st.DataObject) -> None:
    assert all(isinstance(one, str) for one in facts(data.draw(made(cls))))
