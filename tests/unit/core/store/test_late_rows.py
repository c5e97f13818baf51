"""What is condemned now is found in what was delivered, across sites, within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.records import LogRecord
from core.records import late
from core.store import late_rows, tables
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rests import no_rest
from tests.support.core.rooms import accepted, ended, identity, made_id, record, route

LON, PAR = identity("lon1"), identity("par1")
BAD, OTHER = "ab" * 32, "cd" * 32
JOE, ANN = "joe@acme.example", "ann@globex.example"
HOUR_S = 3600.0


def scanned(sequence: int, message: str, *digests: str) -> LogRecord:
    return record(sequence, "scanned", message, verdicts=[], digests=list(digests))


def condemned(sequence: int, message: str, *digests: str, **more: Any) -> LogRecord:
    said = {"engine": "clamav", "threat": "New.Threat", "definitions": "27808"}
    return record(sequence, "condemned", message, digests=list(digests), **(said | more))


def delivered(message: str, *digests: str, to: str = JOE, first: int = 1) -> list[LogRecord]:
    return [
        accepted(first, message, [to]),
        scanned(first + 1, message, *digests),
        ended(first + 2, message, "delivered", to),
    ]


@pytest.fixture(autouse=True)
async def customers(store: Database) -> None:
    routes = [route("acme.example", "acme"), route("globex.example", "globex")]
    await store.preferences.publish(routes, who="t")


async def named(store: Database, **asked: Any) -> list[tuple[str, str, str]]:
    report = await store.late.report(**asked)
    return [
        (one["customer"], message["id"], recipient["address"])
        for one in report["customers"]
        for message in one["messages"]
        for recipient in message["recipients"]
    ]


async def test_what_a_site_condemns_is_found_at_every_site_and_customer(store: Database) -> None:
    await store.records.take(LON, delivered(made_id(1), BAD))
    await store.records.take(PAR, delivered(made_id(2), OTHER, BAD, to=ANN))
    assert await named(store) == []

    await store.records.take(PAR, [condemned(4, made_id(3), BAD)])

    assert await named(store) == [("acme", made_id(1), JOE), ("globex", made_id(2), ANN)]
    assert await named(store, customer="globex") == [("globex", made_id(2), ANN)]
    (acme, _) = (await store.late.report())["customers"]
    (message,) = acme["messages"]
    assert message["threat"] == "New.Threat"
    assert message["definitions"] == "27808"
    assert message["by"] == {"node": "par1", "id": made_id(3)}
    assert message["recipients"][0]["delivered"] is not None
    (entry,) = [one for one in await store.audit.recent() if one.what == "late"]
    assert (entry.who, entry.subject) == ("second look", made_id(3))
    assert "2 delivered messages" in entry.detail


async def test_what_is_delivered_after_it_was_condemned_elsewhere_is_found(store: Database) -> None:
    await store.records.take(PAR, [condemned(1, made_id(3), BAD)])

    await store.records.take(LON, delivered(made_id(1), BAD))

    assert await named(store) == [("acme", made_id(1), JOE)]


async def test_what_a_satellite_finds_when_it_looks_again_is_found(store: Database) -> None:
    await store.records.take(LON, delivered(made_id(1)))

    await store.records.take(LON, [condemned(4, made_id(1), late=True)])

    assert await named(store) == [("acme", made_id(1), JOE)]


@pytest.mark.parametrize("outcome", ["quarantined", "dropped", "rejected"])
async def test_who_did_not_get_it_is_not_named(store: Database, outcome: str) -> None:
    await store.records.take(
        LON,
        [
            accepted(1, made_id(1), [JOE, ANN]),
            scanned(2, made_id(1), BAD),
            ended(3, made_id(1), outcome, JOE),
            ended(4, made_id(1), "delivered", ANN),
            condemned(5, made_id(2), BAD),
        ],
    )

    assert await named(store) == [("globex", made_id(1), ANN)]


async def test_repeats_change_nothing(store: Database) -> None:
    for first in (1, 4):
        await store.records.take(LON, delivered(made_id(1), BAD, first=first))
    await store.records.take(PAR, [condemned(1, made_id(3), BAD), condemned(2, made_id(4), BAD)])
    await store.records.take(PAR, [condemned(3, made_id(4), BAD, threat="Another")])

    (one,) = (await store.late.report())["customers"]
    assert [message["threat"] for message in one["messages"]] == ["New.Threat"]


async def test_after_the_hours_nothing_is_compared_and_nothing_is_kept(
    store: Database, fake_clock: FakeClock
) -> None:
    await store.records.take(LON, delivered(made_id(1), BAD))
    await fake_clock.advance(25 * HOUR_S)

    await store.records.take(PAR, [condemned(1, made_id(3), BAD, OTHER)])
    assert await named(store) == []
    await store.records.take(LON, delivered(made_id(2), OTHER, first=4))
    assert await named(store) == [("acme", made_id(2), JOE)]
    await store.late.forget(rest=no_rest)
    assert await rows_in(store, tables.seen_digest) == 1
    await fake_clock.advance(200 * HOUR_S)
    await store.late.forget(rest=no_rest)
    for table in ("seen_digest", "condemned_digest", "late_message"):
        assert await rows_in(store, getattr(tables, table)) == 0, table


async def rows_in(store: Database, table: Any) -> int:
    return len(await store.records._reader.run(lambda c: c.execute(table.select()).all()))


async def test_with_no_hours_a_node_speaks_of_its_own_mail_alone(
    tmp_path: Path, fake_clock: FakeClock
) -> None:
    opened = await Database.open(tmp_path / "off.db", clock=fake_clock, second_look_hours=0)
    async with opened as off:
        await off.preferences.publish([route("acme.example", "acme")], who="t")
        await off.records.take(LON, [*delivered(made_id(1), BAD), *delivered(made_id(2), first=4)])

        await off.records.take(LON, [condemned(7, made_id(2), BAD, late=True)])

        assert await named(off) == [("acme", made_id(2), JOE)]
        assert await rows_in(off, tables.seen_digest) == 0


async def test_one_node_condemns_so_much_an_hour_and_the_others_go_on(
    store: Database, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_rows, "CONDEMNED_PER_HOUR_MAX", 3)
    await store.records.take(LON, delivered(made_id(1), BAD))
    junk = [condemned(n, made_id(100 + n), f"{n:064x}") for n in range(1, 4)]
    await store.records.take(PAR, junk)

    await store.records.take(PAR, [condemned(4, made_id(200), BAD)])
    assert await named(store) == []
    assert (await store.late.alarm()).silenced == ("par1",)
    await store.records.take(identity("ber1"), [condemned(1, made_id(201), BAD)])
    assert await named(store) == [("acme", made_id(1), JOE)]
    await fake_clock.advance(HOUR_S + 1)
    assert (await store.late.alarm()).silenced == ()


async def test_one_node_sets_off_so_many_alarms_an_hour(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_rows, "LATE_PER_HOUR_MAX", 3)
    sequence = 1
    for number in range(5):
        await store.records.take(LON, delivered(made_id(number), BAD, first=sequence))
        sequence += 3

    await store.records.take(PAR, [condemned(1, made_id(300), BAD)])

    assert (await store.late.alarm()).messages == 3
    assert (await store.late.alarm()).silenced == ("par1",)


async def test_of_a_content_that_everybody_has_the_newest_are_named(
    store: Database, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_rows, "LATE_OF_ONE_MAX", 2)
    for number in range(4):
        await store.records.take(LON, delivered(made_id(number), BAD, first=1 + 3 * number))
        await fake_clock.advance(1.0)

    await store.records.take(PAR, [condemned(1, made_id(300), BAD)])

    assert {message for _, message, _ in await named(store)} == {made_id(2), made_id(3)}


async def test_the_alarm_is_over_when_nothing_was_found_for_a_day(
    store: Database, fake_clock: FakeClock
) -> None:
    assert (await store.late.alarm()).as_json() == {
        "messages": 0,
        "newest": None,
        "silenced": [],
    }
    await store.records.take(LON, delivered(made_id(1), BAD))
    await store.records.take(PAR, [condemned(1, made_id(3), BAD)])
    assert (await store.late.alarm()).messages == 1

    await fake_clock.advance(late.ALARM_HOURS * HOUR_S + 1)

    assert (await store.late.alarm()).messages == 0
    assert await named(store) != [], "the report has it for longer"


async def test_digests_that_are_none_are_not_read(store: Database) -> None:
    message = delivered(made_id(1))
    odd = ["", "x" * 64, "AB" * 32, 7, None, BAD + "00"]
    message[1] = record(2, "scanned", made_id(1), verdicts=[], digests=odd)

    await store.records.take(LON, message)

    assert await rows_in(store, tables.seen_digest) == 0


async def test_a_node_cannot_speak_of_the_content_of_another_nodes_message(
    store: Database,
) -> None:
    await store.records.take(LON, delivered(made_id(1)))

    await store.records.take(PAR, [condemned(1, made_id(1), late=True)])

    assert await named(store) == []
