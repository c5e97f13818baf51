"""Does every record fit, and does it say when it was cut?"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from common.records import FIELDS_BYTES_MAX
from common.records.writing import encode_fields, encoded_parts


def decoded(fields: dict[str, Any]) -> dict[str, Any]:
    encoded = encode_fields(fields)
    assert len(encoded) <= FIELDS_BYTES_MAX
    found: dict[str, Any] = json.loads(encoded)
    return found


def test_what_fits_is_kept_as_it_is() -> None:
    fields = {"client": "192.0.2.7", "size": 7, "recipients": ["ü@acme.example"], "tls": None}

    assert decoded(fields) == fields


def test_a_text_that_is_too_long_is_cut_and_the_record_says_so() -> None:
    shortened = decoded({"subject": "x" * 1_000_000, "size": 7})

    assert shortened["shortened"] is True
    assert shortened["size"] == 7
    assert shortened["subject"] == "x" * len(shortened["subject"])


def test_texts_give_way_before_recipients_do() -> None:
    recipients = [f"recipient-{n}@acme.example" for n in range(1000)]

    shortened = decoded({"recipients": recipients, "subject": "x" * 60_000})

    assert shortened["recipients"] == recipients


def test_a_record_in_parts_has_in_each_the_tests_of_its_own_recipients() -> None:
    recipients = [f"Recipient-{n}@acme.example" for n in range(1000)]
    tests = [{"name": "T", "detail": "d" * 150, "recipient": one.casefold()} for one in recipients]
    shared = {"name": "ALL", "detail": "", "recipient": None}

    parts = encoded_parts(
        {"recipients": recipients, "verdicts": [{"by": "volume", "tests": [shared, *tests]}]}
    )

    told = [json.loads(part) for part in parts]
    assert len(parts) <= 16  # and not a thousand, each with what fits of all tests
    assert [one for part in told for one in part["recipients"]] == recipients
    for part in told:
        said = part["verdicts"][0]["tests"]
        assert [one["recipient"] for one in said] == [
            None,
            *(one.casefold() for one in part["recipients"]),
        ]


def test_evidence_deep_inside_a_verdict_is_cut_and_the_verdict_stays() -> None:
    tests = [{"name": f"T{n}", "score": 1.0, "detail": "d" * 400} for n in range(2000)]

    shortened = decoded({"score": 9.5, "verdicts": [{"by": "lists", "tests": tests}]})

    assert shortened["score"] == 9.5
    assert shortened["verdicts"][0]["by"] == "lists"
    assert len(shortened["verdicts"][0]["tests"]) >= 20


def test_half_a_surrogate_pair_does_not_stop_a_record() -> None:
    assert decoded({"subject": "\ud800"}) == {"subject": "?"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=6), st.integers(1, 3000))
def test_no_record_is_ever_too_large(fields: dict[str, Any], times: int) -> None:
    assert isinstance(decoded({"many": [fields] * times, **fields}), dict)


def test_a_record_that_cannot_be_cut_is_emptied_but_still_a_record() -> None:
    fields = {f"key-{n}" * 20: n for n in range(5000)}

    assert json.loads(encode_fields(fields)) == {"shortened": True}
