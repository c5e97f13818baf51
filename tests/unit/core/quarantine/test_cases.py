"""Is what a satellite says of a message bounded, and does a case only take steps of the table?"""

from __future__ import annotations

import hashlib

import pytest

from common.message_bounds import HEAD_BYTES_MAX, MESSAGE_BYTES_MAX
from core.quarantine.cases import (
    TABLE,
    CaseNotHeld,
    CaseRefused,
    CaseState,
    KeptCase,
    check_case,
    check_step,
)
from core.quarantine.retention import DAY_US, kept_since_us
from core.records.search import iso_time
from tests.support.core.rooms import made_id, told_case


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"message_id": "../../etc/passwd"}, "ULID"),
        ({"sha256": b"short"}, "SHA-256"),
        ({"size": MESSAGE_BYTES_MAX + 1}, "size"),
        ({"size": -1}, "size"),
        ({"head": b"x" * (HEAD_BYTES_MAX + 1)}, "head"),
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
        check_case(told_case(made_id(1), b"12345", **wrong))


def test_an_empty_body_is_a_body() -> None:
    assert check_case(told_case(made_id(1), b"")).size == 0


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


def test_people_see_everything_but_what_a_copy_is_delivered_with() -> None:
    kept = KeptCase(
        told=told_case(made_id(1), b"12345"),
        node="lon1",
        shard=0,
        incarnation=made_id(2),
        state=CaseState.HELD,
        held_us=1_000_000,
        deleted_us=0,
        deleted_by="",
    )

    assert kept.as_json() == {
        "message_id": made_id(1),
        "state": "held",
        "node": "lon1",
        "shard": 0,
        "quarantined": iso_time(kept.quarantined_us),
        "sender": "a@sender.example",
        "recipients": ["x@acme.example"],
        "reason": "virus",
        "detail": "Eicar-Test",
        "subject": "Hello",
        "client": "192.0.2.7",
        "size": 5,
        "sha256": hashlib.sha256(b"12345").hexdigest(),
        "held": "1970-01-01T00:00:01.000000Z",
        "deleted": None,
        "deleted_by": "",
    }
