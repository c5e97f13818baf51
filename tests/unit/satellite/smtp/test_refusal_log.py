"""A few refusals are told one by one; of a flood, a few records and all of their number."""

from __future__ import annotations

from common.records import RefusedRecord
from satellite.smtp import replies
from satellite.smtp.refusal_log import (
    IN_FULL_MAX,
    IN_FULL_OF_ONE_MAX,
    LONG_WINDOW_S,
    RECIPIENTS_MAX,
    SENDERS_MAX,
    SUMS_MAX,
    WINDOW_S,
    RefusalLog,
    RefusedClient,
    reason_of,
)
from tests.support.clock import START_US

DENIED = replies.RELAY_DENIED
MANY = 700


def refuse(log: RefusalLog, address: str, recipient: str = "joe@elsewhere.example") -> None:
    client = RefusedClient(
        address=address,
        helo="client.example",
        sender="s@sender.example",
        recipients=(recipient,),
        command="RCPT",
    )
    log.note(client, reason=reason_of(DENIED), reply=str(DENIED).rstrip(), now_us=START_US)


def told(log: RefusalLog, now_s: float, *, is_behind: bool = False) -> list[RefusedRecord]:
    return log.due(now_s=now_s, is_behind=is_behind)


def total(records: list[RefusedRecord]) -> int:
    return sum(record.refusals for record in records)


def test_a_single_refusal_is_told_at_once_and_once() -> None:
    log = RefusalLog()
    refuse(log, "192.0.2.7")

    (record,) = told(log, 0.0)
    assert (record.client, record.recipients, record.refusals, record.since_us) == (
        "192.0.2.7",
        ("joe@elsewhere.example",),
        1,
        0,
    )
    assert told(log, WINDOW_S + 1) == []
    assert log.is_empty


def test_of_a_flood_from_one_network_the_first_are_told_and_the_others_summed() -> None:
    log = RefusalLog()
    for number in range(MANY):
        refuse(log, f"192.0.2.{number % 250}", f"user{number}@elsewhere.example")

    at_once = told(log, 0.0)
    assert len(at_once) == IN_FULL_OF_ONE_MAX
    assert told(log, WINDOW_S - 1) == []
    (summed,) = told(log, WINDOW_S)

    assert (summed.client, summed.since_us) == ("192.0.2.0/24", START_US)
    assert summed.refusals + len(at_once) == MANY
    assert len(summed.recipients) == RECIPIENTS_MAX
    assert summed.recipients[0] == f"user{IN_FULL_OF_ONE_MAX}@elsewhere.example"
    assert len(summed.senders) <= SENDERS_MAX


def test_a_flood_from_everywhere_makes_no_more_records_than_are_bounded() -> None:
    log = RefusalLog()
    for number in range(20_000):
        refuse(log, f"10.{number // 250}.{number % 250}.1")

    records = told(log, 0.0)
    records += told(log, WINDOW_S)
    assert total(records) == 20_000
    assert len(records) <= IN_FULL_MAX + SUMS_MAX + 1
    assert "" in {record.client for record in records}


def test_while_the_core_is_far_behind_there_is_one_sum_an_hour() -> None:
    log = RefusalLog()
    refuse(log, "192.0.2.7")
    told(log, 0.0, is_behind=True)
    told(log, WINDOW_S, is_behind=True)
    for number in range(100):
        refuse(log, "192.0.2.7", f"user{number}@elsewhere.example")

    assert told(log, WINDOW_S, is_behind=True) == []
    assert told(log, LONG_WINDOW_S, is_behind=True) == []
    (summed,) = told(log, WINDOW_S + LONG_WINDOW_S, is_behind=True)
    assert summed.refusals == 100


def test_when_the_core_is_back_what_was_summed_does_not_wait_for_the_hour() -> None:
    log = RefusalLog()
    told(log, 0.0, is_behind=True)
    refuse(log, "192.0.2.7")
    told(log, 1.0, is_behind=True)

    told(log, 2.0)
    (summed,) = told(log, 2.0 + WINDOW_S)
    assert summed.refusals == 1


def test_at_the_end_everything_is_told() -> None:
    log = RefusalLog()
    for _ in range(MANY):
        refuse(log, "2001:db8::1")

    records = log.due(now_s=0.0, is_behind=False, at_once=True)
    assert total(records) == MANY
    assert records[-1].client == "2001:db8::/64"
