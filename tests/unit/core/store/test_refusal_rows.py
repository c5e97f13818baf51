"""What was refused is found by whoever it concerns, and adds up by reason."""

from __future__ import annotations

from typing import Any

import pytest

from common.records import LogRecord
from core.store.database import Database
from tests.support.core.rooms import START_US, accepted, identity, made_id, record

LON = identity("lon1")


def refused(sequence: int, **more: Any) -> LogRecord:
    said = {
        "client": "192.0.2.7",
        "helo": "client.example",
        "senders": ["Ann@Partner.example"],
        "recipients": ["Joe@acme.example"],
        "command": "RCPT",
        "reason": "unknown_recipient",
        "reply": "550 5.1.1 No such mailbox here",
        "refusals": 1,
        "since_us": 0,
    }
    return record(sequence, "refused", "", **(said | more))


SUM = refused(
    2, client="203.0.113.0/24", senders=[], recipients=["a@b.example"], refusals=690, since_us=5
)


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        ("192.0.2.7", [1]),
        ("203.0.113.200", [2]),  # a sum is told of a network
        ("ann@partner.example", [1]),
        ("JOE@acme.example", [1]),
        ("b.example", [2]),
        ("partner.example", [1]),
        ("192.0.2.8", []),
        ("nobody@acme.example", []),
        (made_id(1), []),
        ("'", []),
    ],
)
async def test_every_way_to_ask_finds_what_was_refused(
    store: Database, query: str, sequences: list[int]
) -> None:
    await store.records.take(LON, [refused(1), SUM])

    found = await store.records.refusals(query)

    expected = {1: "550 5.1.1 No such mailbox here", 2: "550 5.1.1 No such mailbox here"}
    assert [one["reply"] for one in found] == [expected[one] for one in sequences]
    assert [one["refusals"] for one in found] == [{1: 1, 2: 690}[one] for one in sequences]


async def test_a_refusal_is_shown_with_its_place_and_the_newest_first(store: Database) -> None:
    await store.records.take(LON, [refused(n) for n in range(1, 9)])

    found = await store.records.refusals("acme.example", limit=3)

    assert [one["time"] for one in found] == sorted((one["time"] for one in found), reverse=True)
    assert len(found) == 3
    assert (found[0]["node"], found[0]["shard"], found[0]["event"]) == ("lon1", 0, "refused")


async def test_a_report_adds_up_and_counts_only_its_time(store: Database) -> None:
    denied = refused(3, reason="relay_denied", client="192.0.2.9")
    await store.records.take(LON, [refused(1), SUM, denied])

    report = await store.records.refusal_report()
    assert report["refusals"] == 692
    assert report["reasons"][0] == {
        "reason": "unknown_recipient",
        "command": "RCPT",
        "refusals": 691,
    }
    assert report["clients"][0] == {"client": "203.0.113.0/24", "refusals": 690}

    later = await store.records.refusal_report(since_us=START_US + 2_500)
    assert later["refusals"] == 1
    assert (await store.records.refusal_report(since_us=START_US + 9_000))["refusals"] == 0


async def test_what_a_stolen_node_claims_breaks_no_report(store: Database) -> None:
    much = refused(1, refusals=(1 << 63) - 1, recipients=[f"{n}@a.example" for n in range(2_000)])
    more = refused(2, refusals=(1 << 63) - 1, recipients=[1, None, "\ud800@a.example"])
    await store.records.take(LON, [much, more, refused(3, client=7, senders="x")])

    assert (await store.records.refusal_report())["refusals"] > 1
    assert len(await store.records.refusals("0@a.example")) == 1


async def test_refusals_do_not_hide_what_happened_to_a_node(store: Database) -> None:
    await store.records.take(LON, [record(1, "started"), *(refused(n) for n in range(2, 50))])

    assert [one["event"] for one in await store.records.node_events(limit=10)] == ["started"]


async def test_mail_is_found_by_its_client_too(store: Database) -> None:
    message = made_id(501)
    await store.records.take(LON, [accepted(1, message, client="198.51.100.4")])

    assert [one["id"] for one in await store.records.track("198.51.100.4")] == [message]
    assert await store.records.track("198.51.100.5") == []
