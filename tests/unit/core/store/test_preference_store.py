"""Are revisions durable, whole, ordered and without holes? (P6, G1, G2, G6)"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from common.errors import LocalError
from common.preferences import Document, DocumentRefused, Kind, Preferences
from common.preferences.bodies import YARA_DOCUMENTS_MAX
from core.preferences.ledger import RevisionConflict, UnknownRevision
from core.store import history
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rooms import document, route

KEY = "white/cluster/s.example"


async def test_one_change_set_is_one_revision(store: Database) -> None:
    position = await store.preferences.publish(
        [route(), document("policy", "cluster", {"virus": "drop"})], who="ann", comment="why"
    )

    assert position.revision == 1
    (published,) = await store.preferences.documents_after(0)
    assert [d.kind for d in published.documents] == [Kind.ROUTE, Kind.POLICY]
    assert (published.who, published.comment) == ("ann", "why")
    assert published.digest == store.preferences.current.digest


async def test_nothing_changed_is_no_revision(store: Database) -> None:
    await store.preferences.publish([route()], who="t")

    with store.preferences.subscribe() as changed:
        position = await store.preferences.publish([route()], who="t")

        assert not changed.is_set()
    assert position.revision == 1
    assert len(await store.audit.recent()) == 1


async def test_a_refused_change_leaves_everything_as_it_was(store: Database) -> None:
    await store.preferences.publish([route()], who="t")
    before = store.preferences.current

    with pytest.raises(DocumentRefused):
        await store.preferences.publish(
            [route("new.example"), document("policy", "cluster", {"no": 1})], who="t"
        )

    assert store.preferences.current is before
    assert await store.preferences.documents_after(1) == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("rule a { condition: foo }", "unknown identifier"),
        ("rule a { strings: $a = { 01 } condition: $a }", "slow pattern"),
        ('include "/etc/passwd"', "include"),
        ("rule a {", "syntax error"),
    ],
    ids=["unknown", "slow", "include", "half"],
)
async def test_yara_rules_that_are_of_no_use_are_refused(
    store: Database, source: str, reason: str
) -> None:
    with pytest.raises(DocumentRefused, match=f"invoices: .*{reason}"):
        await store.preferences.publish(
            [route(), document("yara", "invoices", {"source": source})], who="t"
        )

    assert store.preferences.current.documents() == []


async def test_yara_rules_are_so_many_and_no_more(store: Database) -> None:
    rule = {"source": "rule a { condition: filesize == 1 and in_archive }"}
    rules = [document("yara", f"r{n}", rule) for n in range(YARA_DOCUMENTS_MAX)]
    await store.preferences.publish(rules, who="t")

    with pytest.raises(DocumentRefused, match="at most"):
        await store.preferences.publish([document("yara", "more", rule)], who="t")

    assert len(store.preferences.current.yara_rules()) == YARA_DOCUMENTS_MAX


async def test_yara_rules_are_so_long_together_and_no_longer(store: Database) -> None:
    long = {"source": "rule a { condition: in_archive } //" + "x" * 45_000}
    await store.preferences.publish([document("yara", f"r{n}", long) for n in range(4)], who="t")

    with pytest.raises(DocumentRefused, match="characters at most"):
        await store.preferences.publish([document("yara", "more", long)], who="t")


async def test_a_base_that_has_moved_is_a_conflict(store: Database) -> None:
    await store.preferences.publish([route()], who="t")

    with pytest.raises(RevisionConflict):
        await store.preferences.publish([route("b.example")], who="t", base=0)

    assert (await store.preferences.publish([route("b.example")], who="t", base=1)).revision == 2


async def test_a_hundred_edits_at_once_are_all_there(store: Database) -> None:
    keys = [f"white/recipient/x@acme.example/s{n}.example" for n in range(100)]

    positions = await asyncio.gather(
        *(store.preferences.publish([document("list", key, {})], who="t") for key in keys)
    )

    assert sorted(p.revision for p in positions) == list(range(1, 101))
    assert {d.key for d in store.preferences.current.documents(Kind.LIST)} == set(keys)
    assert [p.position.revision for p in await store.preferences.documents_after(0)] == list(
        range(1, 101)
    )


async def test_revisions_at_once_each_go_on_top_of_all_others(store: Database) -> None:
    def one_more(current: Preferences) -> list[Document]:
        found = current.document(Kind.LIST, KEY)
        seen = json.loads(found.body)["until_us"] if found else 0
        return [document("list", KEY, {"until_us": seen + 1})]

    made = await asyncio.gather(
        *(store.preferences.revise(one_more, who="t") for _ in range(100)),
    )

    assert {one.position.revision for one in made} == set(range(1, 101))
    last = store.preferences.current.document(Kind.LIST, KEY)
    assert last is not None
    assert json.loads(last.body)["until_us"] == 100


async def test_a_revision_that_refuses_publishes_nothing(store: Database) -> None:
    def refuses(_current: Preferences) -> list[Document]:
        raise LocalError("not now")

    with pytest.raises(LocalError, match="not now"):
        await store.preferences.revise(refuses, who="t")

    assert store.preferences.position.revision == 0


async def test_one_of_two_edits_at_once_from_the_same_base_wins(store: Database) -> None:
    results = await asyncio.gather(
        *(
            store.preferences.publish([route(f"{n}.example")], who="t", base=0)
            for n in ("a", "b", "c")
        ),
        return_exceptions=True,
    )

    assert sorted(type(r).__name__ for r in results) == [
        "Position",
        "RevisionConflict",
        "RevisionConflict",
    ]


async def test_deltas_lead_from_any_revision_to_the_same_set(store: Database) -> None:
    steps = [
        [route("a.example"), route("b.example")],
        [document("route", "a.example")],
        [document("policy", "cluster", {"virus": "drop"}), route("a.example", customer="new")],
        [document("policy", "cluster")],
    ]
    for step in steps:
        await store.preferences.publish(step, who="t")

    held = Preferences()
    for published in await store.preferences.documents_after(0):
        held = held.applied(published.documents, position=published.position)
        assert held.digest == published.digest
        rest = held
        for later in await store.preferences.documents_after(held.position.revision):
            rest = rest.applied(later.documents, position=later.position)
        assert rest.digest == store.preferences.current.digest


async def test_a_limit_never_splits_a_revision(store: Database) -> None:
    await store.preferences.publish([route(f"{n}.example") for n in range(5)], who="t")
    await store.preferences.publish([route("x.example")], who="t")
    await store.preferences.publish([route("y.example")], who="t")

    first = await store.preferences.documents_after(0, limit=2)
    rest = await store.preferences.documents_after(1, limit=2)

    assert [len(p.documents) for p in first] == [5]
    assert [p.position.revision for p in rest] == [2, 3]


async def test_a_roll_back_is_a_new_revision_with_the_old_content(store: Database) -> None:
    await store.preferences.publish([route("a.example")], who="t")
    wanted = store.preferences.current.digest
    await store.preferences.publish([route("b.example"), document("route", "a.example")], who="t")
    await store.preferences.publish([route("a.example", customer="other")], who="t")

    position = await store.preferences.rollback(1, who="ann")

    assert position.revision == 4
    assert store.preferences.current.digest == wanted
    (published,) = await store.preferences.documents_after(3)
    assert {(d.key, d.removed) for d in published.documents} == {
        ("a.example", False),
        ("b.example", True),
    }


@pytest.mark.parametrize("revision", [-1, 0, 2])
async def test_there_is_no_way_back_to_what_never_was(store: Database, revision: int) -> None:
    await store.preferences.publish([route()], who="t")

    with pytest.raises(UnknownRevision):
        await store.preferences.rollback(revision, who="t")


async def test_a_first_revision_is_taken_in_once(store: Database) -> None:
    first = await store.preferences.adopt_first([route()])
    second = await store.preferences.adopt_first([route("b.example")])

    assert first is not None
    assert first.revision == 1
    assert second is None
    assert store.preferences.current.route("b.example") is None


async def test_everything_is_there_after_a_restart(tmp_path: Path, fake_clock: FakeClock) -> None:
    path = tmp_path / "core.db"
    async with await Database.open(path, clock=fake_clock) as store:
        await store.preferences.publish([route("a.example"), route("b.example")], who="t")
        await store.preferences.publish([document("route", "a.example")], who="t")
        before = await store.preferences.snapshot()
    async with await Database.open(path, clock=fake_clock) as store:
        after = await store.preferences.snapshot()

    assert (after.position, after.digest) == (before.position, before.digest)
    assert list(after.documents) == list(before.documents) != []
    assert [d.key for d in after.documents] == ["b.example"]


async def test_history_shows_before_and_after_of_what_was_asked_for(store: Database) -> None:
    await store.preferences.publish(
        [route(), document("policy", "cluster", {"virus": "drop"})], who="ann"
    )
    await store.preferences.publish([document("policy", "cluster", {"virus": "mark"})], who="bob")
    await store.preferences.publish([route("b.example")], who="ann")

    (newest, oldest) = await store.preferences.history(scope="cluster")
    assert [(e.number, e.who, e.changes_count) for e in (newest, oldest)] == [
        (2, "bob", 1),
        (1, "ann", 2),
    ]
    assert newest.changes[0].before == b'{"virus":"drop"}'
    assert newest.changes[0].after == b'{"virus":"mark"}'
    assert len(oldest.changes) == 1
    assert [e.number for e in await store.preferences.history(kind=Kind.ROUTE)] == [3, 1]
    assert [e.number for e in await store.preferences.history(before=3, limit=1)] == [2]
    assert [e.number for e in await store.preferences.history(key="b.example")] == [3]


async def test_an_answer_of_the_history_ends_with_the_revision_that_fills_it(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.example", "b.example", "c.example"):
        await store.preferences.publish([route(name)], who="ann")
    monkeypatch.setattr(history, "ANSWER_BYTES_MAX", 1)

    first = await store.preferences.history()
    then = await store.preferences.history(before=first[-1].number)

    assert [[one.number for one in answer] for answer in (first, then)] == [[3], [2]]
    assert len(then[0].changes) == 1


async def test_a_caller_that_gives_up_does_not_leave_memory_behind_the_disk(
    store: Database,
) -> None:
    for n in range(20):
        task = asyncio.create_task(store.preferences.publish([route(f"{n}.example")], who="t"))
        for _ in range(n):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        published = await store.preferences.documents_after(0)
        assert store.preferences.position.revision == len(published)


async def test_subscribers_are_woken_after_the_commit_and_not_once_they_are_gone(
    store: Database,
) -> None:
    with store.preferences.subscribe() as changed:
        await store.preferences.publish([route()], who="t")
        assert changed.is_set()
        changed.clear()
    await store.preferences.publish([route("b.example")], who="t")

    assert not changed.is_set()


async def test_who_changed_what_is_in_the_audit(store: Database) -> None:
    await store.preferences.publish([route()], who="ann", comment="new customer")
    await store.preferences.publish([document("route", "acme.example")], who="bob")
    await store.preferences.rollback(1, who="eve")

    entries = await store.audit.recent()

    assert [(e.who, e.what, e.subject) for e in entries] == [
        ("eve", "preferences.rollback", "revision 3"),
        ("bob", "preferences.publish", "revision 2"),
        ("ann", "preferences.publish", "revision 1"),
    ]
    assert [e.who for e in await store.audit.recent(before=entries[1].number)] == ["ann"]
