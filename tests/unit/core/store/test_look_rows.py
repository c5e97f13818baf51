"""What engines said adds up by day, node and engine, once, whatever a satellite sends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Table, select

from common.records import LogRecord
from common.settings.core import LOOK_COUNTS_DAYS_MIN
from core.records.look_report import LookGroup
from core.records.looks import LATE_DAYS_MAX
from core.records.reports import DAY_US, TOP_MAX
from core.store.database import Database
from core.store.look_rows import NAMES_MAX, THREATS_MAX
from core.store.tables import look_alone, look_answer, look_pair, look_time
from tests.support.clock import FakeClock
from tests.support.core.rests import no_rest
from tests.support.core.rooms import START_US, identity, made_id, record

LON, PAR = identity("lon1"), identity("par1")
SITES = {"lon1": "london", "par1": "paris"}


def said(by: str, outcome: str, *threats: str, ms: int = 5) -> dict[str, Any]:
    return {"by": by, "outcome": outcome, "ms": ms, "threats": list(threats)}


def look(
    sequence: int,
    *verdicts: dict[str, Any],
    message: str = "",
    event: str = "scanned",
    time_us: int = START_US,
) -> LogRecord:
    fields = json.dumps({"verdicts": verdicts}).encode()
    return LogRecord(sequence, time_us, event, message or made_id(sequence), fields)


async def told(store: Database, **more: Any) -> dict[str, Any]:
    by = more.pop("by", LookGroup.DAY)
    report: dict[str, Any] = await store.records.look_report(by, sites=SITES, **more)
    return report


def engine(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {one["name"]: one for one in report["engines"]}
    return found[name]


SCORED = said("rules", "scored")
DAY = (
    look(1, said("clamav", "infected", "Eicar"), said("nod32", "infected", "Eicar test file")),
    look(2, said("clamav", "clean"), said("nod32", "infected", "Win32/New.A"), SCORED),
    look(3, said("clamav", "timeout", ms=30_000), said("nod32", "infected", "Win32/New.A")),
    look(4, said("clamav", "clean", ms=1), said("nod32", "unavailable"), said("rules", "error")),
    look(5, said("clamav", "skipped"), said("nod32", "clean"), SCORED),
)


async def test_a_report_says_who_found_what_alone_and_what_the_others_said(store: Database) -> None:
    await store.records.take(LON, DAY)

    report = await told(store)

    clamav, nod32 = report["engines"]
    assert (clamav["asked"], clamav["found"], clamav["alone"]) == (4, 1, 0)
    assert (nod32["asked"], nod32["found"], nod32["alone"]) == (5, 3, 1)
    assert report["alone"] == [{"name": "Win32/New.A", "by": "nod32", "messages": 1}]
    assert report["agreement"] == [
        {
            "engine": "clamav",
            "found": 1,
            "alone": 0,
            "others": [{"name": "nod32", "found": 1, "clean": 0, "unsure": 0, "silent": 0}],
        },
        {
            "engine": "nod32",
            "found": 3,
            "alone": 1,
            "others": [{"name": "clamav", "found": 1, "clean": 1, "unsure": 0, "silent": 1}],
        },
    ]


async def test_silence_is_told_as_a_share_of_what_was_asked(store: Database) -> None:
    await store.records.take(LON, DAY)

    report = await told(store)

    clamav, nod32 = report["engines"]
    assert (clamav["silent"], clamav["silent_share"]) == (1, 0.25)
    assert clamav["outcomes"] == {"clean": 2, "infected": 1, "skipped": 1, "timeout": 1}
    assert (nod32["silent"], nod32["silent_share"]) == (1, 0.2)


async def test_times_are_those_of_engines_that_worked_and_never_too_short(store: Database) -> None:
    await store.records.take(LON, DAY)

    clamav, nod32 = (await told(store))["engines"]

    assert (clamav["p50_ms"], clamav["p95_ms"]) == (5, clamav["max_ms"])
    assert 30_000 <= clamav["max_ms"] <= 37_500
    assert (nod32["p50_ms"], nod32["max_ms"]) == (5, 5)


async def test_who_was_never_reached_has_no_time(store: Database) -> None:
    await store.records.take(LON, [look(1, said("nod32", "unavailable", ms=3_000))])

    assert engine(await told(store), "nod32")["max_ms"] is None


async def test_what_a_cache_said_was_not_asked_and_still_found(store: Database) -> None:
    cached = said("nod32", "infected", "X", ms=0) | {"detail": "from the cache, 8 s old; all read"}
    kept = said("clamav", "clean", ms=0) | {"detail": "kept from a try 30 s ago"}
    await store.records.take(LON, [look(1, cached, kept), look(2, said("nod32", "clean", ms=40))])

    report = await told(store)

    clamav, nod32 = report["engines"]
    assert (clamav["asked"], clamav["p50_ms"]) == (0, None)
    assert (nod32["asked"], nod32["outcomes"]) == (1, {"clean": 1, "remembered": 1})
    assert (nod32["found"], nod32["alone"], nod32["p50_ms"]) == (1, 1, 47)


async def test_each_record_counts_once_whatever_the_stream_does(store: Database) -> None:
    for batch in (DAY[:1], DAY[:3], DAY, DAY[2:]):
        await store.records.take(LON, batch)

    assert engine(await told(store), "nod32")["asked"] == 5


async def test_records_that_were_refused_count_nothing(store: Database) -> None:
    with pytest.raises(Exception, match="record 3 where 1"):
        await store.records.take(LON, DAY[2:])

    assert (await told(store))["engines"] == []


async def test_a_message_that_waited_was_looked_at_twice_and_found_once(store: Database) -> None:
    one = made_id(1)
    found = said("clamav", "infected", "Eicar")
    dropped = {"address": "x@a.example", "disposition": "drop"}
    await store.records.take(
        LON,
        [
            look(1, found, said("nod32", "timeout"), message=one, event="waiting"),
            look(2, found, said("nod32", "clean"), message=one),
            record(3, "judged", one, recipients=[dropped]),
            look(4, found, said("nod32", "clean"), message=one),  # of one who had to wait
        ],
    )

    report = await told(store)

    clamav, nod32 = report["engines"]
    assert (clamav["asked"], clamav["found"], clamav["alone"]) == (3, 1, 1)
    assert (nod32["asked"], nod32["silent"]) == (3, 1)
    assert report["agreement"][0]["others"][0]["clean"] == 1


async def test_days_and_sites_are_told_apart(store: Database) -> None:
    tomorrow = START_US + DAY_US
    await store.records.take(LON, [look(1, said("clamav", "clean"), time_us=START_US)])
    await store.records.take(
        PAR,
        [
            look(1, said("clamav", "error"), message=made_id(7)),
            look(2, said("clamav", "clean"), message=made_id(8), time_us=tomorrow),
        ],
    )

    by_day = await told(store)
    by_site = await told(store, by=LookGroup.SITE)
    paris = await told(store, site="paris")
    later = await told(store, since_us=tomorrow + 5)

    def asked(report: dict[str, Any]) -> list[tuple[str, int]]:
        return [(group["name"], group["engines"][0]["asked"]) for group in report["groups"]]

    assert asked(by_day) == [("2026-01-02", 1), ("2026-01-01", 2)]
    assert asked(by_site) == [("paris", 2), ("london", 1)]
    assert asked(paris) == [("2026-01-02", 1), ("2026-01-01", 1)]
    assert asked(later) == [("2026-01-02", 1)]
    assert asked(await told(store, until_us=tomorrow)) == [("2026-01-01", 2)]
    assert asked(await told(store, until_us=tomorrow + 1)) == asked(by_day)
    assert later["since"] == "2026-01-02T00:00:00.000000Z"
    assert later["counted_since"] == "2026-01-01"
    assert (await told(store, site="nowhere"))["engines"] == []


async def test_a_filter_is_no_engine_and_one_that_only_failed_was_once_seen_to_score(
    store: Database,
) -> None:
    tomorrow = START_US + DAY_US
    found = said("clamav", "infected", "X")
    await store.records.take(
        LON,
        [
            look(1, found, SCORED, said("dns", "error")),
            look(2, found, said("rules", "timeout"), time_us=tomorrow),
        ],
    )

    for since_us in (0, tomorrow):
        report = await told(store, since_us=since_us)
        assert [one["name"] for one in report["engines"]] == ["clamav"]
        assert [one["others"] for one in report["agreement"]] == [[]]


async def test_old_records_without_definitions_and_odd_ones_count_too(store: Database) -> None:
    odd = look(2, {"by": 7, "outcome": "weird", "ms": -5, "threats": "x"}, {"by": "clamav"})
    await store.records.take(LON, [look(1, said("clamav", "clean")), odd])

    report = await told(store)

    assert engine(report, "clamav")["outcomes"] == {"clean": 1, "other": 1}
    assert engine(report, "others")["asked"] == 1


async def test_a_hostile_node_fills_no_table_and_hides_nobody(store: Database) -> None:
    made_up = [
        look(n, *(said(f"{n}x{m}", "infected", f"T{m}") for m in range(60)), time_us=START_US - n)
        for n in range(1, 41)
    ]
    mixed = [said("1x0", "infected"), said("one too many", "clean")]
    made_up.append(look(41, *mixed, time_us=START_US - 41))
    made_up += [
        look(n, said("clamav", "infected", f"Made.Up-{n}"), said("1x0", "clean"))
        for n in range(42, 42 + 3 * THREATS_MAX)
    ]
    await store.records.take(LON, made_up)
    await store.records.take(PAR, [look(1, said("clamav", "clean"), message=made_id(9_999))])

    report = await told(store)
    rows = await store.records._reader.run(
        lambda c: [
            c.exec_driver_sql(f"SELECT day, count(*) FROM {table} GROUP BY day").all()
            for table in ("look_answer", "look_time", "look_pair", "look_alone")
        ]
    )

    most = [max(count for _, count in table) for table in rows]
    assert most[0] <= NAMES_MAX + 3
    assert most[2] <= (NAMES_MAX + 1) ** 2
    assert most[3] <= THREATS_MAX + NAMES_MAX
    assert len(report["alone"]) == TOP_MAX
    named = {other["name"] for one in report["agreement"] for other in one["others"]}
    assert named
    assert "others" not in named
    paris = await told(store, site="paris")
    assert [one["name"] for one in paris["engines"]] == ["clamav"]


@pytest.mark.parametrize("days", [-LATE_DAYS_MAX - 1, 2, 900_000])
async def test_a_day_that_cannot_be_is_the_day_on_which_it_was_told(
    store: Database, days: int
) -> None:
    await store.records.take(
        LON, [look(1, said("clamav", "clean"), time_us=START_US + days * DAY_US)]
    )

    assert [group["name"] for group in (await told(store))["groups"]] == ["2026-01-01"]


async def test_nobody_speaks_of_another_nodes_message(store: Database) -> None:
    await store.records.take(LON, [look(1, said("clamav", "clean"))])
    await store.records.take(PAR, [look(1, said("evil", "infected", "X"))])

    assert [one["name"] for one in (await told(store))["engines"]] == ["clamav"]


# ---- how long days are kept


async def test_days_that_are_long_ago_are_deleted_whole_and_the_others_stay(
    store: Database, fake_clock: FakeClock
) -> None:
    """Of every table: a day of which a part is left would be told as if it were all."""
    days = LOOK_COUNTS_DAYS_MIN
    await store.records.take(LON, DAY)
    await fake_clock.advance(DAY_US / 1e6)
    newer = fake_clock.now_us()
    await store.records.take(LON, [look(6, said("nod32", "infected", "New"), time_us=newer)])
    both = await told(store)

    await fake_clock.advance((days - 1) * DAY_US / 1e6)
    await store.retention.look_counts(before_day=fake_clock.now_us() // DAY_US - days, rest=no_rest)
    still = await told(store)
    await fake_clock.advance(DAY_US / 1e6)
    await store.retention.look_counts(before_day=fake_clock.now_us() // DAY_US - days, rest=no_rest)
    left = await told(store)

    assert still == both
    assert [engine["name"] for engine in left["engines"]] == ["nod32"]
    assert engine(left, "nod32")["asked"] == 1
    assert left["counted_since"] > both["counted_since"]
    for table in (look_answer, look_time, look_pair, look_alone):
        assert await days_in(store, table) <= {newer // DAY_US}, table.name


async def days_in(store: Database, table: Table) -> set[int]:
    query = select(table.c.day).distinct()
    return await store.records._reader.run(lambda c: set(c.scalars(query)))


def test_no_day_is_deleted_that_a_node_may_still_add_to() -> None:
    assert LOOK_COUNTS_DAYS_MIN > LATE_DAYS_MAX + 1
