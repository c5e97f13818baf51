"""Mail that died with a spool is named, and is lost no more once a spool tells of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from common.identity import LifeOrigin, ShardIdentity
from core.records.reports import ReportGroup
from core.store import lost
from core.store.database import Database
from tests.support.core.rooms import (
    accepted,
    ended,
    identity,
    made_id,
    record,
    route,
    told_case,
)

LON = identity()
A, B, C = made_id(501), made_id(502), made_id(503)
HELD = {"recipients": [{"address": "x@acme.example", "attempts": 1}], "reason": "away"}
REBUILT = replace(identity(life=2), origin=LifeOrigin(former=""))


async def died(store: Database) -> None:
    """Take in mail of which some has ended, and some of other shards."""
    await store.preferences.publish([route()], who="test")
    both = ("x@acme.example", "y@other.example")
    stream = [
        accepted(1, A),
        record(2, "held", A, **HELD),
        accepted(3, B),
        ended(4, B, "delivered"),
        accepted(5, C, both),
        ended(6, C, "delivered"),
    ]
    await store.records.take(LON, stream)
    await store.records.take(identity(shard=1), [accepted(1, made_id(504))])
    await store.records.take(identity("par1"), [accepted(1, made_id(505))])


async def begin(store: Database, who: ShardIdentity) -> None:
    standing = await store.fleet.note_hello(who, {})
    if not standing.is_settled:
        await store.lost.settle(who)


async def state_of(store: Database, message: str) -> list[str]:
    (found,) = await store.records.track(message)
    return [recipient["state"] for recipient in found["recipients"]]


def copies(report: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    return [
        (one["customer"], copy["id"], copy["was"], copy["place"])
        for one in report["customers"]
        for copy in one["copies"]
    ]


async def test_what_a_former_life_never_ended_is_lost_and_named_by_customer(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost, "COPIES_AT_ONCE", 1)  # several steps
    await died(store)

    await begin(store, REBUILT)

    assert copies(await store.lost.report()) == [
        ("", C, "received", "lon1/0"),
        ("acme", A, "held", "lon1/0"),
    ]
    assert await store.lost.unseen() == {"lon1/0": 2}
    assert await state_of(store, A) == ["lost"]
    assert sorted(await state_of(store, C)) == ["delivered", "lost"]
    assert await state_of(store, made_id(504)) == ["received"]
    report = await store.records.report(ReportGroup.CUSTOMER, sites={})
    assert (report["totals"]["lost"], report["totals"]["in_progress"]) == (2, 2)
    assert (await store.fleet.note_hello(REBUILT, {})).is_settled


async def test_what_a_damaged_spool_could_not_mend_is_lost_too_and_of_no_other_shard(
    store: Database,
) -> None:
    await died(store)
    rescued = replace(identity(life=2), origin=LifeOrigin(former=LON.incarnation))
    named = [A, B, C, made_id(504), made_id(505), made_id(506), "no id"]

    await begin(store, rescued)
    told = record(1, "spool_damaged", reason="lost", messages=named)
    await store.records.take(rescued, [told])

    assert copies(await store.lost.report()) == [
        ("", C, "received", "lon1/0"),
        ("acme", A, "held", "lon1/0"),
    ]
    assert await state_of(store, B) == ["delivered"]
    for other in (made_id(504), made_id(505)):
        assert await state_of(store, other) == ["received"]
    await store.records.take(rescued, [record(2, "held", A, **HELD)])  # after all
    assert await store.lost.unseen() == {"lon1/0": 1}


async def test_it_is_asked_for_until_somebody_has_seen_it(store: Database) -> None:
    await died(store)
    await begin(store, REBUILT)

    assert await store.lost.see("lon1", 0, who="ada") == 2
    assert await store.lost.see("lon1", 0, who="bob") == 0

    assert await store.lost.unseen() == {}
    report = await store.lost.report(customer="acme")
    assert report["customers"][0]["copies"][0]["seen_by"] == "ada"
    entries = await store.audit.recent(limit=2)
    assert [(entry.who, entry.what, entry.subject) for entry in entries] == [
        ("bob", "lost.seen", "lon1/0"),
        ("ada", "lost.seen", "lon1/0"),
    ]


@pytest.mark.parametrize("origin", [None, LifeOrigin(former=LON.incarnation, carried=2)])
async def test_a_life_that_carries_mail_over_or_does_not_say_so_loses_nothing(
    store: Database, origin: LifeOrigin | None
) -> None:
    await died(store)

    await begin(store, replace(identity(life=2), origin=origin))

    assert copies(await store.lost.report()) == []
    assert await state_of(store, A) == ["held"]


async def test_mail_of_the_new_life_that_came_before_its_hello_is_not_lost(
    store: Database,
) -> None:
    await died(store)
    await store.records.take(REBUILT, [accepted(1, made_id(510))])

    await begin(store, REBUILT)

    assert await state_of(store, made_id(510)) == ["received"]
    assert await state_of(store, A) == ["lost"]


async def test_a_spool_that_comes_back_after_all_takes_its_mail_back(store: Database) -> None:
    await died(store)
    await begin(store, REBUILT)

    back = replace(identity(life=3), origin=LifeOrigin(former=LON.incarnation, carried=0))
    await begin(store, back)
    await store.records.take(back, [ended(1, A, "delivered")])

    assert await state_of(store, A) == ["delivered"]
    (message,) = await store.records.track(A)
    assert all("flaw" not in event for event in message["events"])
    assert [copy[1] for copy in copies(await store.lost.report())] == [C]


async def test_a_quarantined_body_that_never_came_is_lost_and_one_that_comes_is_not(
    store: Database,
) -> None:
    await store.records.take(LON, [accepted(1, A), ended(2, A, "quarantined")])
    await store.cases.open_case(LON, told_case(A, b"x"))
    await begin(store, REBUILT)
    assert [copy[1:3] for copy in copies(await store.lost.report())] == [(A, "quarantined")]

    back = replace(identity(life=3), origin=LifeOrigin(former=LON.incarnation))
    await store.cases.open_case(back, told_case(A, b"x"))
    await store.cases.hold(back, A)

    assert copies(await store.lost.report()) == []
    assert await state_of(store, A) == ["quarantined"]


async def test_what_nobody_has_seen_stays_when_the_records_of_it_go(store: Database) -> None:
    await died(store)
    await begin(store, REBUILT)

    await store.records._writer.run(lambda c: c.execute(text("DELETE FROM message")))

    assert {copy[1] for copy in copies(await store.lost.report())} == {A, C}


async def test_what_has_not_ended_is_found_without_reading_what_has(store: Database) -> None:
    def plan(connection: Any) -> str:
        query = lost._unfinished(LON).compile(connection, compile_kwargs={"literal_binds": True})
        return str(connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).all())

    assert "recipient_unfinished" in await store.lost._people.run(plan)
