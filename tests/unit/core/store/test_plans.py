"""Does each look-up of the store read what it answers with, and nothing else?

Each public method runs once on a database that is full, has no statistics, and holds what makes a
wrong index dear: shards with very many records, a mailing with one body, customers with very many
cases. What it asked is then looked at: no plan scans a large table, and the steps of SQLite's
machine say that the index was a right one; a plan alone does not.
"""

from __future__ import annotations

import asyncio
import inspect
import re
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from common.identity import ShardIdentity
from common.preferences import Kind
from core.people.members import MadeToken, NodeMember
from core.quarantine.cases import CaseState
from core.records.look_report import LookGroup
from core.records.reports import ReportGroup
from core.store import tables
from core.store.audit import AuditStore
from core.store.case_pages import CaseFilter
from core.store.cases import CaseStore
from core.store.database import Database
from core.store.fleet import FleetStore
from core.store.late import LateStore
from core.store.lost import LostStore
from core.store.members import MemberStore
from core.store.preferences import PreferenceStore
from core.store.records import RecordStore
from core.store.releases import ReleaseStore
from core.store.retention import RetentionStore
from tests.support.clock import FakeClock
from tests.support.core.full_store import (
    LIFE,
    SAME_BODY,
    SECOND_US,
    Amounts,
    case_id,
    domain,
    fill,
    message_id,
)
from tests.support.core.rests import no_rest
from tests.support.core.rooms import START_US, accepted, ended, made_id, record, route, told_case

AMOUNTS = Amounts(
    messages=5_000, refusals=6_000, cases=12_000, open_releases=4_000, revisions=3_000, audit=4_000
)
LARGE = {table.name for table in tables.metadata.sorted_tables} - {
    "epoch",  # one row
    "shard",  # one for each shard that there ever was
    "life",  # each of its lives
    "outbox",  # as many
    "member",  # one for each node that has joined
    "settling",  # one row for each revision whose documents are on their way
}
STEPS_MAX = 20_000  # of one statement: some hundred rows, and far from the thousands of a table
WHO = ShardIdentity("node0", 0, LIFE)
NEW, MIDDLE = message_id(4_998), message_id(2_500)

Look = Callable[[Database], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One way to ask.

    Args:
        look: asks.
        reads_all: why it may read as much as there is; empty: it may not. Never of what the link
            waits for.
        scans: tables that it may read from one end, in the order of its answer, until that is full.
        steps: of one statement, where the answer is long.
    """

    look: Look
    reads_all: str = ""
    scans: tuple[str, ...] = ()
    steps: int = STEPS_MAX


_ALL_TIME = "a report reads each row of the time that it is asked for"
_FILTERS = {
    "customer": CaseFilter(customer="customer7"),
    "customer_held": CaseFilter(customer="customer7", state=CaseState.HELD),
    "customer_releasing": CaseFilter(customer="customer7", state=CaseState.RELEASING),
    "large_customer": CaseFilter(customer="customer0"),
    "large_customer_held": CaseFilter(customer="customer0", state=CaseState.HELD),
    "large_domain": CaseFilter(domain=domain(0)),
    "domain": CaseFilter(domain=domain(7)),
    "recipient": CaseFilter(recipient=f"u7@{domain(7)}"),
    "domain_and_customer": CaseFilter(domain=domain(7), customer="customer7"),
    "nobodys": CaseFilter(customer="nobody"),
    "node": CaseFilter(node="node3"),
    "node_of_none": CaseFilter(node="node99"),
    "domain_at_node": CaseFilter(domain=domain(7), node="node3"),
    "state": CaseFilter(state=CaseState.HELD),
    "state_of_none": CaseFilter(state=CaseState.ARRIVING),
    "all": CaseFilter(),
}


def _page(wanted: CaseFilter) -> Look:
    return lambda s: s.cases.cases(wanted, limit=50)


def _tracked(query: str) -> Look:
    return lambda s: s.records.track(query, limit=20)


def _refused(query: str) -> Look:
    return lambda s: s.records.refusals(query, limit=50)


TOKEN = MadeToken(digest="d", node="lon1", made_us=0, expires_us=1 << 60, who="t")


async def _node_joins(store: Database) -> None:
    await store.members.add_token(TOKEN)
    member = NodeMember(node="lon1", joined_us=0)
    await store.members.join("d", keys="k", issued="{}", member=member, client="t")


async def _member_changes(store: Database) -> None:
    await _node_joins(store)
    await store.members.change("lon1", lambda one: one, who="t", what="t", ends_tokens=True)


async def _arrived(store: Database) -> None:
    await store.cases.open_case(WHO, told_case(made_id(2), b"x"))
    await store.cases.arriving(WHO, made_id(2))


async def _wanted_again(store: Database) -> None:
    case = await store.cases.case(case_id(8))
    assert case is not None
    await store.cases.want_again([case], who="t")


async def _held(store: Database) -> None:
    await store.cases.open_case(WHO, told_case(made_id(2), b"x"))
    await store.cases.hold(WHO, made_id(2))


async def _claimed(store: Database) -> None:
    release = made_id(1 << 20)
    await store.releases.assigned({("node0", 0)}, claim_wait_us=1)
    assert not (await store.releases.claim(WHO, release)).reason


_HALF_US = START_US + 2_500 * SECOND_US
_SWEPT: dict[str, dict[str, int]] = {
    "records": {"before_us": _HALF_US, "unended_us": 0},
    "refusals": {"before_us": _HALF_US},
    "messages": {"before_us": _HALF_US, "future_us": 1 << 60, "unended_us": 0},
    "cases": {"before_us": _HALF_US},
    "dead_arrivals": {"before_us": _HALF_US},
    "changes": {"before_us": _HALF_US},
    "audit": {"before_us": _HALF_US},
    "outboxes": {},
    "look_counts": {"before_day": 1 << 20},
}
_FIRST_ROWS = ("log_record", "refusal", "message", "change", "audit", "revision", "look_answer")


async def _swept(store: Database, name: str) -> None:
    await getattr(store.retention, name)(**_SWEPT[name], rest=no_rest)


_OLD_BEFORE = {
    name: replace(wanted, before=(1_767_225_600_000_000 + 6_000_000_000, case_id(6_000)))
    for name, wanted in _FILTERS.items()
}

ASKED: dict[str, Asked] = {
    # What the link waits for.
    "preferences.documents_after": Asked(look=lambda s: s.preferences.documents_after(2_990)),
    "preferences.documents_after:early": Asked(
        look=lambda s: s.preferences.documents_after(0, limit=20)
    ),
    "preferences.digest_at": Asked(look=lambda s: s.preferences.digest_at(17)),
    "preferences.snapshot": Asked(look=lambda s: s.preferences.snapshot()),
    "records.last_sequence": Asked(look=lambda s: s.records.last_sequence(WHO)),
    "records.take": Asked(
        look=lambda s: s.records.take(
            WHO,
            [
                accepted((1 << 40) + 1, made_id(1)),
                record((1 << 40) + 2, "scanned", made_id(1), verdicts=[], digests=["ab" * 32]),
                record((1 << 40) + 3, "condemned", made_id(1), digests=["ab" * 32], engine="x"),
                ended((1 << 40) + 4, NEW, "delivered"),
            ],
        )
    ),
    "records.position": Asked(look=lambda s: s.records.position(WHO)),
    "fleet.note_life": Asked(look=lambda s: s.fleet.note_life(WHO)),
    "fleet.note_fork": Asked(look=lambda s: s.fleet.note_fork(WHO, "t")),
    "cases.want_again": Asked(look=_wanted_again),
    "cases.known_bodies": Asked(look=lambda s: s.cases.known_bodies([SAME_BODY])),
    "lost.settle": Asked(look=lambda s: s.lost.settle(WHO)),
    # Once an hour what each node has is added up, by a reader: 0.1 ms for a hundred cases.
    "cases.open_case": Asked(
        look=lambda s: s.cases.open_case(WHO, told_case(made_id(2), b"x")), steps=80_000
    ),
    "cases.arriving": Asked(look=_arrived, steps=80_000),
    "cases.hold": Asked(look=_held, steps=80_000),
    "cases.body_is_needed": Asked(look=lambda s: s.cases.body_is_needed(SAME_BODY)),
    "releases.assigned": Asked(
        look=lambda s: s.releases.assigned({("node0", 0), ("node1", 0)}, claim_wait_us=1),
        steps=50_000,  # a thousand releases, of fourteen columns each
    ),
    "releases.claim": Asked(look=_claimed, steps=50_000),
    "releases.held_by": Asked(look=lambda s: s.releases.held_by(WHO, made_id(1 << 20))),
    "releases.release": Asked(look=lambda s: s.releases.release(made_id(1 << 20))),
    "fleet.note_hello": Asked(look=lambda s: s.fleet.note_hello(WHO, {})),
    "fleet.note_report": Asked(look=lambda s: s.fleet.note_report(WHO, {})),
    "late.forget": Asked(look=lambda s: s.late.forget(rest=no_rest)),
    # What runs beside it: the steps that find something, and those that find nothing.
    **{
        f"retention.{name}": Asked(look=partial(_swept, name=name), steps=150_000, scans=scans)
        for name, scans in {
            **dict.fromkeys(_SWEPT, ()),
            "changes": ("change", "revision"),
            "audit": ("audit",),
        }.items()
    },
    "retention.kept": Asked(look=lambda s: s.retention.kept(), scans=_FIRST_ROWS, steps=100_000),
    "retention.give_back": Asked(look=lambda s: s.retention.give_back(rest=no_rest)),
    "cases.needed_bodies": Asked(
        look=lambda s: s.cases.needed_bodies([bytes([n]) * 32 for n in range(200)])
    ),
    # What people wait for.
    "preferences.weights_at": Asked(look=lambda s: s.preferences.weights_at([2_990])),
    "cases.keeping": Asked(look=lambda s: s.cases.keeping(after="", limit=50)),
    "lost.report": Asked(look=lambda s: s.lost.report(), scans=("lost_copy",)),
    "lost.unseen": Asked(look=lambda s: s.lost.unseen()),
    "lost.see": Asked(look=lambda s: s.lost.see("node0", 0, who="t")),
    "members.members": Asked(look=lambda s: s.members.members()),
    "members.token": Asked(look=lambda s: s.members.token("00")),
    "members.tokens": Asked(look=lambda s: s.members.tokens()),
    "members.add_token": Asked(look=lambda s: s.members.add_token(TOKEN)),
    "members.withdraw_tokens": Asked(look=lambda s: s.members.withdraw_tokens("lon1", who="t")),
    "members.join": Asked(look=_node_joins),
    "members.change": Asked(look=_member_changes),
    "preferences.history": Asked(
        look=lambda s: s.preferences.history(limit=20), scans=("revision",)
    ),
    "preferences.history:scope": Asked(
        look=lambda s: s.preferences.history(scope=f"domain/{domain(7)}", limit=20)
    ),
    "preferences.history:kind": Asked(look=lambda s: s.preferences.history(kind=Kind.LIST)),
    "preferences.history:rare_kind": Asked(look=lambda s: s.preferences.history(kind=Kind.ROUTE)),
    "preferences.history:key": Asked(
        look=lambda s: s.preferences.history(key=f"white/domain/{domain(9)}/x9.example")
    ),
    "preferences.history:before": Asked(
        look=lambda s: s.preferences.history(scope=f"domain/{domain(7)}", before=2_000)
    ),
    "preferences.publish": Asked(look=lambda s: s.preferences.publish([route()], who="t")),
    "preferences.revise": Asked(look=lambda s: s.preferences.revise(lambda _: [], who="t")),
    "preferences.rollback": Asked(
        look=lambda s: s.preferences.rollback(2_999, who="t"),
    ),
    "preferences.adopt_first": Asked(look=lambda s: s.preferences.adopt_first([])),
    "records.track:id": Asked(look=_tracked(MIDDLE)),
    "records.track:message_id": Asked(look=_tracked("<2500@x.example>")),
    "records.track:sender": Asked(look=_tracked("a7@s7.example")),
    "records.track:recipient": Asked(look=_tracked(f"u7@{domain(7)}")),
    "records.track:sender_domain": Asked(look=_tracked("s7.example")),
    "records.track:domain": Asked(look=_tracked(domain(7))),
    "records.track:client": Asked(look=_tracked("192.0.1.7")),
    "records.track:nobody": Asked(look=_tracked("nobody@nowhere.example")),
    "records.judged": Asked(
        look=lambda s: s.records.judged(limit=50), scans=("message",), steps=60_000
    ),
    "records.judged:before": Asked(
        look=lambda s: s.records.judged(before=MIDDLE, limit=50), steps=60_000
    ),
    "records.node_events": Asked(
        look=lambda s: s.records.node_events(limit=20), scans=("log_record",)
    ),
    "records.node_events:node": Asked(look=lambda s: s.records.node_events(node="node0", limit=20)),
    "records.node_events:none": Asked(
        look=lambda s: s.records.node_events(node="node99", limit=20)
    ),
    "records.refusals:client": Asked(look=_refused("198.51.3.3")),
    "records.refusals:address": Asked(look=_refused(f"r7@{domain(7)}")),
    "records.refusals:domain": Asked(look=_refused(domain(7))),
    "records.refusal_report": Asked(look=lambda s: s.records.refusal_report(), reads_all=_ALL_TIME),
    "records.report": Asked(
        look=lambda s: s.records.report(ReportGroup.DAY, sites={}), reads_all=_ALL_TIME
    ),
    "records.look_report": Asked(
        look=lambda s: s.records.look_report(LookGroup.DAY, sites={}), reads_all=_ALL_TIME
    ),
    "late.report": Asked(look=lambda s: s.late.report(), reads_all=_ALL_TIME),
    "late.alarm": Asked(look=lambda s: s.late.alarm()),
    "fleet.shards": Asked(look=lambda s: s.fleet.shards()),
    "cases.case": Asked(look=lambda s: s.cases.case(case_id(9))),
    "cases.delete": Asked(look=lambda s: s.cases.delete(case_id(9), who="t")),
    "cases.old_bodies": Asked(
        look=lambda s: s.cases.old_bodies(CaseState.HELD, before_us=1 << 60, after=(0, ""))
    ),
    "releases.request": Asked(
        look=lambda s: s.releases.request(case_id(8), release_id=made_id(9), who="t", again=False)
    ),
    "releases.of_case": Asked(look=lambda s: s.releases.of_case(case_id(7))),
    "audit.note": Asked(look=lambda s: s.audit.note(who="t", what="flush")),
    "audit.recent": Asked(look=lambda s: s.audit.recent(limit=20), scans=("audit",)),
    "audit.recent:before": Asked(look=lambda s: s.audit.recent(before=2_000, limit=20)),
    **{f"cases.cases:{name}": Asked(look=_page(one)) for name, one in _FILTERS.items()},
    **{f"cases.cases:{name}_next": Asked(look=_page(one)) for name, one in _OLD_BEFORE.items()},
}
ASKED["cases.cases:all"] = replace(ASKED["cases.cases:all"], scans=("quarantine_case",))

LOOKS_NOTHING_UP = {
    "preferences.snapshot",
    "preferences.adopt_first",
    "audit.note",
    "retention.give_back",
}
WITHOUT = {
    "preferences.subscribe": "asks the database nothing",
    "preferences.close": "waits for steps that were begun",
    "preferences.renew_epoch": "reads all documents, once after a restore, while nobody is served",
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that is full; each test has a copy."""
    path = tmp_path_factory.mktemp("full") / "core.db"

    async def make() -> None:
        async with await Database.open(path, clock=FakeClock()) as store:
            await store.preferences._writer.run(lambda c: fill(c, AMOUNTS))

    asyncio.run(make())
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM log_record").fetchone()[0] > 30_000
        assert not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'").fetchall()
    return path


@dataclass(frozen=True, slots=True)
class Statement:
    """What a method asked of the database, by whom."""

    sql: str
    parameters: Any


def watched(store: Database) -> list[Statement]:
    """Return the list of what the store asks from now on."""
    asked: list[Statement] = []

    def note(_c: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        if sql.split()[0] in {"SELECT", "UPDATE", "DELETE", "WITH"}:
            asked.append(Statement(sql, parameters[0] if many else parameters))

    readers = store._readers
    for engine in (store._writer._engine, readers.people._engine, readers.link._engine):
        event.listen(engine, "before_cursor_execute", note)
    return asked


def plan_of(raw: sqlite3.Connection, asked: Statement) -> list[str]:
    rows = raw.execute(f"EXPLAIN QUERY PLAN {asked.sql}", asked.parameters)
    return [row[3] for row in rows]


def scanned(plan: list[str]) -> set[str]:
    """Return the large tables that a plan reads from one end."""
    found = {match[1] for line in plan if (match := re.match(r"SCAN (\w+)", line))}
    return {name for name in found if name in LARGE or name == "other"}


def steps_of(raw: sqlite3.Connection, asked: Statement) -> int:
    """Return how many steps of SQLite's machine a statement takes, in hundreds and rounded up."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    raw.set_progress_handler(tick, 100)
    try:
        raw.execute("BEGIN")
        raw.execute(asked.sql, asked.parameters).fetchall()
    finally:
        raw.set_progress_handler(None, 0)
        raw.execute("ROLLBACK")
    return count * 100


def complaints(path: Path, statements: list[Statement], asked: Asked) -> Iterator[str]:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        for one in statements:
            plan = plan_of(raw, one)
            if not asked.reads_all and (wrong := scanned(plan) - set(asked.scans)):
                yield f"scans {sorted(wrong)}: {one.sql}\n{plan}"
            steps = steps_of(raw, one)
            if not asked.reads_all and steps > asked.steps:
                yield f"{steps} steps: {one.sql}\n{plan}"


@pytest.mark.parametrize("name", ASKED)
async def test_a_look_up_reads_what_it_answers_with(
    name: str, full: Path, tmp_path: Path, fake_clock: FakeClock
) -> None:
    path = tmp_path / "core.db"
    shutil.copyfile(full, path)
    async with await Database.open(path, clock=fake_clock) as store:
        statements = watched(store)
        await ASKED[name].look(store)

        found = list(complaints(path, statements, ASKED[name]))

    assert found == []
    assert statements or name in LOOKS_NOTHING_UP


def test_each_public_method_of_the_store_is_asked() -> None:
    rooms = {
        "preferences": PreferenceStore,
        "records": RecordStore,
        "late": LateStore,
        "fleet": FleetStore,
        "cases": CaseStore,
        "releases": ReleaseStore,
        "audit": AuditStore,
        "members": MemberStore,
        "retention": RetentionStore,
        "lost": LostStore,
    }
    methods = {
        f"{room}.{name}"
        for room, cls in rooms.items()
        for name, member in vars(cls).items()
        if not name.startswith("_") and inspect.isfunction(member)
    }

    assert methods - WITHOUT.keys() == {name.partition(":")[0] for name in ASKED}
    assert not WITHOUT.keys() - methods


def test_what_the_link_waits_for_scans_nothing() -> None:
    names = [
        *("records.take", "records.last_sequence", "cases.arriving", "cases.open_case"),
        *("cases.hold", "releases.assigned", "releases.claim", "releases.held_by"),
        *("releases.release", "preferences.documents_after", "preferences.digest_at"),
    ]

    assert all(not ASKED[name].reads_all and not ASKED[name].scans for name in names)


@pytest.mark.parametrize(
    ("sql", "is_caught"),
    [
        ("SELECT * FROM log_record WHERE taken_us = ?", True),
        # The plan of this one is a search: of all records of a shard.
        ("SELECT * FROM log_record WHERE node = ? AND shard = 0 AND event = 'ended '", True),
        ("SELECT * FROM log_record WHERE message_id = ?", False),
    ],
)
async def test_a_wrong_way_is_noticed(
    full: Path, tmp_path: Path, sql: str, is_caught: bool
) -> None:
    path = tmp_path / "core.db"
    shutil.copyfile(full, path)

    found = list(complaints(path, [Statement(sql, ("node0",))], Asked(look=_claimed)))

    assert bool(found) == is_caught
