"""Is what a satellite says of a message bounded, and does a case only take steps of the table?"""

from __future__ import annotations

import pytest

from core.quarantine.cases import (
    BODY_BYTES_MAX,
    TABLE,
    CaseNotHeld,
    CaseRefused,
    CaseState,
    check_fields,
    check_step,
)
from core.quarantine.retention import DAY_US, kept_since_us
from tests.support.core.rooms import case_fields, made_id


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"message_id": "../../etc/passwd"}, "ULID"),
        ({"sha256": b"short"}, "SHA-256"),
        ({"size": BODY_BYTES_MAX + 1}, "size"),
        ({"size": -1}, "size"),
        ({"head": b"x" * 300_000}, "head"),
        ({"skip": 6}, "skips"),
        ({"recipients": ()}, "recipients"),
        ({"recipients": ("x@y.example",) * 1_001}, "recipients"),
        ({"quarantined_us": -1}, "time"),
    ],
)
def test_what_may_not_stand_in_a_row_or_name_a_file_is_refused(
    wrong: dict[str, object], complaint: str
) -> None:
    with pytest.raises(CaseRefused, match=complaint):
        check_fields(case_fields(made_id(1), b"12345", **wrong))


def test_an_empty_body_is_a_body() -> None:
    assert check_fields(case_fields(made_id(1), b"")).size == 0


def test_every_state_has_a_row_and_deleted_is_the_end() -> None:
    assert set(TABLE) == set(CaseState)
    assert not TABLE[CaseState.DELETED].after
    assert not TABLE[CaseState.DELETED].keeps_body


def test_a_body_is_only_given_up_by_deleting() -> None:
    for row in TABLE.values():
        if row.keeps_body:
            gone = {after for after in row.after if not TABLE[after].keeps_body}
            assert gone <= {CaseState.DELETED}


@pytest.mark.parametrize("state", [CaseState.ARRIVING, CaseState.RELEASING, CaseState.DELETED])
def test_what_is_under_way_or_gone_cannot_be_deleted(state: CaseState) -> None:
    with pytest.raises(CaseNotHeld):
        check_step(made_id(1), state, CaseState.DELETED, wish="deleted")


def test_retention_counts_days() -> None:
    assert kept_since_us(now_us=10 * DAY_US, days=3) == 7 * DAY_US
