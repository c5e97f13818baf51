"""A core and its shards over loopback: real gRPC, real certificates, real stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from common import rpc
from common.envelope import Notify
from common.errors import DiskFull
from common.ids import MessageId
from common.message_bounds import HEAD_BYTES_MAX
from common.reports import DRAINING, HoldReport, NodeReport
from common.round_trips import RoundTrip
from core.link import control
from core.quarantine import cases
from satellite.delivery.decisions.notices import Silence, silence
from satellite.spool.store import Spool
from tests.support.core.rooms import route
from tests.support.network.link import (
    Certificates,
    HurriedClock,
    MemorySpool,
    Shard,
    until,
)
from tests.support.network.linked_cluster import LinkedCluster
from tests.support.spool.quarantined import quarantine


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "authority")


@pytest.fixture
async def linked(tmp_path: Path, certificates: Certificates) -> AsyncIterator[LinkedCluster]:
    built = LinkedCluster(tmp_path, certificates)
    await built.start_core()
    yield built
    await built.stop()


def revision_of(spool: MemorySpool | Spool) -> int:
    return spool.preferences.position.revision


def now_s() -> float:
    return HurriedClock().monotonic_s()


def problems_of(shard: Shard) -> tuple[str, ...]:
    return shard.link.status(now_s=HurriedClock().monotonic_s()).problems


# --- what nodes measure -------------------------------------------------------------------------


async def test_what_a_node_measured_is_kept_and_is_no_part_of_how_it_is(
    linked: LinkedCluster,
) -> None:
    first, second = linked.shard(await linked.spool(0), shards=2), await linked.spool(1)
    other = linked.shard(second, shards=2)
    trip = RoundTrip("mail.acme.example:25", 12_000, 100, 1, 0)
    first.told = NodeReport(accepting=True, round_trips=(trip,))
    other.told = NodeReport(accepting=True, round_trips=(replace(trip, target="b.example:25"),))
    store = linked.core.database.round_trips

    async def is_kept() -> bool:
        return bool(await store.page(after=("", ""), limit=10))

    await until(is_kept, "what was measured is kept")
    await until(lambda: len(linked.core.link.fleet.node("lon1", now_s=now_s()).shards) == 2, "two")

    (kept,) = await store.page(after=("", ""), limit=10)  # one shard measures for its node
    assert (kept.node, kept.target, kept.rtt_us) == ("lon1", trip.target, 12_000)
    shards = linked.core.link.fleet.node("lon1", now_s=now_s()).shards
    assert [shard.report.round_trips for shard in shards] == [(), ()]


async def full(*_: Any) -> None:
    raise DiskFull("no room")


async def waits(*_: Any) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("take", [full, waits])
async def test_a_node_is_heard_whose_figures_the_store_does_not_take(
    linked: LinkedCluster, monkeypatch: pytest.MonkeyPatch, take: Callable[..., Awaitable[None]]
) -> None:
    monkeypatch.setattr(linked.core.database.round_trips, "take", take)
    shard = linked.shard(await linked.spool(0))
    shard.told = NodeReport(
        accepting=True, round_trips=(RoundTrip("mail.acme.example:25", 12_000, 100, 1, 0),)
    )

    await until(lambda: linked.core.link.fleet.node("lon1", now_s=now_s()).accepting, "it is heard")


# --- what is kept of a node ---------------------------------------------------------------------


async def test_that_a_node_is_emptied_or_not_any_more_is_kept_at_once(
    linked: LinkedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "KEEP_REPORT_S", 1e9)
    shard = linked.shard(await linked.spool(0))
    shard.told = NodeReport(accepting=True)

    async def reasons() -> list[str]:
        rows = await linked.core.database.fleet.shards()
        return [row.report["not_accepting_reason"] for row in rows if row.report]

    async def is_kept() -> bool:
        return await reasons() == [""]

    async def is_emptied() -> bool:
        return await reasons() == [DRAINING]

    await until(is_kept, "the first report")
    shard.told = NodeReport(not_accepting_reason=DRAINING)
    await until(is_emptied, "that it is emptied")
    shard.told = NodeReport(accepting=True)
    await until(is_kept, "that it takes mail again")


# --- preferences --------------------------------------------------------------------------------


async def test_what_is_published_is_in_force_at_every_shard_and_the_fleet_says_so(
    linked: LinkedCluster,
) -> None:
    spools = [await linked.spool(0), await linked.spool(1)]
    for spool in spools:
        linked.shard(spool, shards=2)

    await linked.core.database.preferences.publish([route()], who="test")

    await until(lambda: all(revision_of(spool) == 1 for spool in spools), "applied")
    await until(lambda: linked.core.state() == "live", "live")
    assert spools[0].preferences.route("acme.example") is not None
    status = linked.core.link.fleet.node("lon1", now_s=linked.core.clock.monotonic_s())
    assert (status.lag, status.shards_expected) == (0, 2)


async def test_a_site_that_comes_again_while_the_core_has_no_room_is_live_and_its_records_wait(
    linked: LinkedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = MemorySpool()
    await linked.core.database.preferences.publish([route()], who="test")
    shard = linked.shard(spool)
    await until(lambda: linked.core.state() == "live", "live")
    await shard.stop()
    await until(lambda: linked.core.link.fleet.connected() == [], "gone")

    async def no_room(*_args: object, **_more: object) -> Any:
        raise DiskFull("database or disk is full")

    for store, name in (("fleet", "note_hello"), ("fleet", "note_report"), ("records", "take")):
        monkeypatch.setattr(getattr(linked.core.database, store), name, no_room)
    spool.record("not_accepting", "", reason="x")
    shard = linked.shard(spool)

    await until(lambda: linked.core.link.fleet.connected() == [("lon1", 0)], "it is there")
    await until(lambda: "RESOURCE_EXHAUSTED" in str(problems_of(shard)), "it says why")
    await until(lambda: linked.core.state() == "live", "live again")
    status = linked.core.link.fleet.node("lon1", now_s=linked.core.clock.monotonic_s())
    assert status.outbox_records == 1
    waits = "log records wait on the node: RESOURCE_EXHAUSTED: database or disk is full"
    await until(lambda: waits in linked.core.problems("lon1"), "the core says it too")


async def test_a_set_that_was_changed_by_hand_is_found_and_repaired(linked: LinkedCluster) -> None:
    spool = MemorySpool()
    await linked.core.database.preferences.publish([route()], who="test")
    shard = linked.shard(spool)
    await until(lambda: revision_of(spool) == 1, "applied")
    await shard.stop()

    position = spool.preferences.position
    spool.preferences = spool.preferences.applied([route("evil.example")], position=position)
    linked.shard(spool)

    await until(lambda: spool.preferences.route("evil.example") is None, "repaired")
    assert spool.applies == [True, True]
    assert revision_of(spool) == 1


async def test_a_core_that_was_put_back_without_a_new_epoch_is_refused(
    linked: LinkedCluster,
) -> None:
    publish = linked.core.database.preferences.publish
    spool = MemorySpool()
    epoch = linked.core.database.epoch
    for name in ("a.example", "b.example", "c.example"):
        await publish([route(name)], who="test")
    shard = linked.shard(spool)
    await until(lambda: revision_of(spool) == 3, "applied")
    await shard.stop()

    ahead = spool.preferences.position.__class__(epoch, 9)
    spool.preferences = spool.preferences.applied([], position=ahead)
    linked.shard(spool)

    def refused() -> bool:
        found = linked.core.link.fleet.node("lon1", now_s=linked.core.clock.monotonic_s()).refused
        return found is not None and "lost changes" in found.reason

    await until(refused, "refused")
    assert revision_of(spool) == 9

    await linked.core.database.preferences.renew_epoch(who="test")
    await until(lambda: spool.preferences.position.epoch.generation == 2, "the new epoch")
    assert revision_of(spool) == linked.core.database.preferences.position.revision


# --- records ------------------------------------------------------------------------------------


async def test_a_spool_that_was_put_back_is_told_and_its_records_stay(
    linked: LinkedCluster,
) -> None:
    spool = MemorySpool()
    shard = linked.shard(spool)
    for _ in range(5):
        spool.record("accepting")
    await until(lambda: not spool.log, "acknowledged")
    await shard.stop()

    spool.sequence = 2  # an older copy of the spool
    spool.record("accepting")
    shard = linked.shard(spool)

    def told() -> bool:
        problems = linked.core.link.fleet.node(
            "lon1", now_s=linked.core.clock.monotonic_s()
        ).problems
        return any("older state" in problem for problem in problems)

    await until(told, "the fleet shows it")
    assert [record.sequence for record in spool.log] == [3]


async def test_a_core_that_lost_its_end_gets_what_is_left_and_the_gap_is_told(
    linked: LinkedCluster,
) -> None:
    spool = MemorySpool()
    spool.sequence = 40_000  # they were confirmed to a core that was put back since
    spool.record("accepting")
    linked.shard(spool)

    await until(lambda: not spool.log, "acknowledged")
    events = await linked.core.database.records.node_events(limit=1000)
    (gap,) = [event for event in events if event["event"] == "gap"]
    assert (gap["from"], gap["to"]) == (1, 40_000)
    assert [event["event"] for event in events].count("accepting") == 1
    problems = linked.core.link.fleet.node("lon1", now_s=linked.core.clock.monotonic_s()).problems
    assert "records 1 to 40000" in problems[0]


async def test_a_cloned_shard_is_fenced(linked: LinkedCluster) -> None:
    old, new = MemorySpool(life=1), MemorySpool(life=2)
    first = linked.shard(old)
    await until(lambda: first.link.status(now_s=0.0).connected, "the first life")
    await first.stop()
    linked.shard(new)
    await until(lambda: linked.core.link.fleet.connected() == [("lon1", 0)], "the newer life")

    clone = linked.shard(old)
    old.record("accepting")

    def fenced() -> bool:
        problems = clone.link.status(now_s=0.0).problems
        return sum("FAILED_PRECONDITION" in problem for problem in problems) >= 2

    await until(fenced, "fenced")
    assert len(old.log) == 1
    assert not clone.link.status(now_s=0.0).connected


# --- quarantine and releases --------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 40, 262_144, 900_000])
async def test_a_quarantined_message_arrives_whole_and_only_then_leaves_the_spool(
    linked: LinkedCluster, size: int
) -> None:
    spool = await linked.spool()
    body = bytes(n % 251 for n in range(size))
    message = await quarantine(spool, body)
    linked.shard(spool)

    await until(lambda: spool.backlog_sizes()[1] == 0, "taken")
    case = await linked.core.custody.case(message)
    assert case is not None
    assert case.state == "held"
    assert case.told.head == b"X-BorderScout: id=1\r\n"
    assert case.told.recipients == ("x@acme.example",)
    taken = b""
    while len(taken) < size:
        taken += await linked.core.custody.read(message, len(taken), 1 << 20)
    assert taken == body


async def test_an_upload_goes_on_over_a_restart_of_the_core(linked: LinkedCluster) -> None:
    spool = await linked.spool()
    bodies = [bytes([n]) * 700_000 for n in range(1, 13)]
    linked.shard(spool)
    messages = [await quarantine(spool, body) for body in bodies]

    await until(lambda: spool.backlog_sizes()[1] < len(bodies), "some are taken")
    await linked.restart_core()

    await until(lambda: spool.backlog_sizes()[1] == 0, "all are taken")
    for message, body in zip(messages, bodies, strict=True):
        assert await linked.core.custody.read(message, 0, 1 << 20) == body


async def test_the_longest_head_arrives_and_what_a_core_refuses_is_set_aside_and_named(
    linked: LinkedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = await linked.spool()
    longest = await quarantine(spool, b"hello", head=b"x" * HEAD_BYTES_MAX)
    linked.shard(spool)
    await until(lambda: spool.backlog_sizes()[1] == 0, "it is taken")
    assert await linked.core.custody.read(longest, 0, 9) == b"hello"

    # As a core of the version before is, whose bound was lower than the satellite's.
    monkeypatch.setattr(cases, "HEAD_BYTES_MAX", 100)
    refused = [await quarantine(spool, b"again", head=b"x" * 101) for _ in range(20)]
    taken = await quarantine(spool, b"short", head=b"x")

    await until(lambda: spool.backlog_sizes()[1] == len(refused), "the short one is taken")
    assert await linked.core.custody.read(taken, 0, 9) == b"short"
    assert [upload.message.id for upload in spool.uploads(limit=100)] == []
    assert {spool.message(MessageId(one)) is not None for one in refused} == {True}

    def told() -> bool:
        problems = linked.core.link.fleet.node(
            "lon1", now_s=linked.core.clock.monotonic_s()
        ).problems
        return any("does not take: 20; they stay here" in problem for problem in problems)

    await until(told, "the report names them")


async def test_a_large_upload_does_not_hold_up_preferences(linked: LinkedCluster) -> None:
    spool = await linked.spool()
    linked.shard(spool)
    for n in range(1, 9):
        await quarantine(spool, bytes([n]) * 4_000_000)

    await linked.core.database.preferences.publish([route()], who="test")

    await until(lambda: revision_of(spool) == 1, "applied")
    assert spool.backlog_sizes()[1] > 0  # the bodies were still on their way


async def test_a_release_clicked_twice_comes_back_once(linked: LinkedCluster) -> None:
    spool = await linked.spool()
    body = b"Subject: hello\r\n\r\n" + bytes(600_000)
    message = await quarantine(spool, body)
    shard = linked.shard(spool)
    await until(lambda: spool.backlog_sizes()[1] == 0, "taken by the core")

    first = await linked.core.releases.request(message, who="test")
    second = await linked.core.releases.request(message, who="test")

    async def done() -> bool:
        found = await linked.core.releases.release(first.id)
        return found is not None and found.state == "done"

    await until(done, "done")
    assert first.id == second.id
    (released,) = shard.released
    stored = spool.message(released)
    assert stored is not None
    assert stored.released_from == message
    assert stored.envelope.recipients == ("x@acme.example",)
    assert stored.envelope.sender == "a@sender.example"
    assert stored.subject == "hello"
    line = stored.copies[0].head.replace(b"\r\n ", b" ").split(b"\r\n")[0].decode()
    assert f"id={released};" in line
    assert line.endswith(f" disposition=deliver; released_from={message}")
    with spool.open_body(stored) as held:
        assert held.read(0, len(body)) == body


@pytest.mark.parametrize(
    ("kept_for", "why"),
    [("virus", Silence.SUSPECT), ("spam", Silence.SUSPECT), ("policy", None)],
)
async def test_a_dsn_of_what_was_released_goes_to_no_stranger(
    linked: LinkedCluster, kept_for: str, why: Silence | None
) -> None:
    spool = await linked.spool()
    message = await quarantine(spool, b"Subject: hello\r\n\r\n", kept_for=kept_for)
    shard = linked.shard(spool)
    await until(lambda: spool.backlog_sizes()[1] == 0, "taken by the core")

    await linked.core.releases.request(message, who="test")

    await until(lambda: len(shard.released) == 1, "released")
    stored = spool.message(shard.released[0])
    assert stored is not None
    assert silence(stored, stored.recipients[0], Notify.FAILURE) is why


async def test_a_release_whose_shard_is_full_is_taken_once_there_is_room(
    linked: LinkedCluster,
) -> None:
    spool = await linked.spool()
    message = await quarantine(spool, b"hello")
    shard = linked.shard(spool)
    await until(lambda: spool.backlog_sizes()[1] == 0, "taken by the core")
    await shard.stop()
    full = MemorySpool(life=1)
    full.life = spool.life
    full.sequence = spool.last_sequence()
    full.is_full = True
    again = linked.shard(full)
    await until(lambda: linked.core.link.fleet.connected() != [], "connected")

    release = await linked.core.releases.request(message, who="test")

    async def claimed() -> bool:
        found = await linked.core.releases.release(release.id)
        return found is not None and found.state == "claimed"

    await until(claimed, "claimed")
    assert again.released == []
    full.is_full = False
    await until(lambda: len(again.released) == 1, "taken at last")
    assert full.released[release.id][3] == b"hello"


async def test_a_body_that_is_not_the_released_one_is_never_delivered(
    linked: LinkedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = await linked.spool()
    message = await quarantine(spool, b"hello")
    shard = linked.shard(spool)
    await until(lambda: spool.backlog_sizes()[1] == 0, "taken by the core")
    reads: list[int] = []

    async def other_octets(_who: object, _release: str, offset: int, _length: int) -> bytes:
        reads.append(offset)
        return b"HELLO"[offset:]

    monkeypatch.setattr(linked.core.releases, "read", other_octets)
    release = await linked.core.releases.request(message, who="test")

    await until(lambda: len(reads) >= 3, "offered and fetched again and again")
    assert shard.released == []
    assert not spool.release_is_known(release.id)


async def test_a_flush_reaches_every_connected_shard(linked: LinkedCluster) -> None:
    shards = [linked.shard(MemorySpool(shard=number), shards=2) for number in (0, 1)]
    await until(lambda: len(linked.core.link.fleet.connected()) == 2, "connected")

    told = linked.core.link.flush("mail.acme.example:25")

    assert told == 2
    await until(lambda: all(s.flushed == ["mail.acme.example:25"] for s in shards), "flushed")
    assert linked.core.link.flush(node="fra1") == 0


async def test_a_second_link_of_the_same_shard_replaces_what_a_cut_left_behind(
    linked: LinkedCluster,
) -> None:
    spool = MemorySpool()
    first = linked.shard(spool)
    await until(lambda: first.link.status(now_s=0.0).connected, "connected")

    second = linked.shard(spool)

    await until(lambda: second.link.status(now_s=0.0).connected, "the second")
    failures = first.link.status(now_s=0.0).problems
    assert any("anew" in failure for failure in failures) or not failures


async def test_a_renewed_certificate_is_used_by_a_new_channel_without_a_restart(
    linked: LinkedCluster, tmp_path: Path, certificates: Certificates
) -> None:
    spool = MemorySpool()
    shard = linked.shard(spool)
    await until(lambda: shard.link.status(now_s=0.0).connected, "connected")
    renewed = Certificates(tmp_path / "renewed")
    for role, name in (("core", "core"), ("satellite", "lon1")):
        old, new = certificates.issue(role, name), renewed.issue(role, name)
        new.key.replace(old.key)
        new.certificate.replace(old.certificate)
        new.authority.replace(old.authority)
    opened: list[str] = []
    really_open = rpc.open_channel

    def open_channel(address: str, tls: rpc.TlsMaterial, **names: str) -> grpc.aio.Channel:
        opened.append(address)
        return really_open(address, tls, **names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rpc, "open_channel", open_channel)
        await until(lambda: bool(opened), "a new channel")

    await linked.core.database.preferences.publish([route()], who="test")

    await until(lambda: revision_of(spool) == 1, "applied over the new channel")
    # Each stream opens for itself: the one that says «connected» may be the last.
    await until(lambda: shard.link.status(now_s=0.0).connected, "connected again")


async def test_a_half_renewed_certificate_leaves_the_channel_open_and_is_told(
    linked: LinkedCluster, tmp_path: Path
) -> None:
    spool = MemorySpool()
    shard = linked.shard(spool)
    await until(lambda: shard.link.status(now_s=0.0).connected, "connected")
    files = linked.files("lon1")
    renewed = Certificates(tmp_path / "renewed").issue("satellite", "lon1")
    before = shard.link.certificate_status()

    renewed.certificate.replace(files.certificate)

    def problem() -> str:
        status = shard.link.certificate_status()
        return status.problem if status is not None else ""

    await until(lambda: problem() != "", "it is told")
    assert problem().endswith("the key belongs to another certificate")
    assert problem() in shard.link.status(now_s=0.0).problems
    await until(lambda: problem() in linked.core.problems("lon1"), "the core knows")
    status = shard.link.certificate_status()
    assert before is not None
    assert status is not None
    assert status.not_after_s == before.not_after_s
    await linked.core.database.preferences.publish([route()], who="test")
    await until(lambda: revision_of(spool) == 1, "applied over the channel that is open")


async def test_who_holds_mail_is_told_when_another_site_has_reached_the_server(
    linked: LinkedCluster,
) -> None:
    away = linked.shard(MemorySpool("lon1", 0))
    elsewhere = linked.shard(MemorySpool("lon1", 1))
    held = HoldReport(
        customer="acme",
        destination="acme.example",
        since_us=1,
        reason="connection refused",
        messages=1,
        bytes=1,
        oldest_us=1,
        expires_us=1,
    )
    away.told = NodeReport(holds=(held,))
    await until(lambda: len(linked.core.holds("lon1")) == 1, "the core knows of the hold")

    linked.shard(MemorySpool("fra1", 0)).told = NodeReport(reached=("acme.example",))

    await until(lambda: away.hinted[:1] == ["acme.example"], "a hint comes")
    assert elsewhere.hinted == [], "it holds nothing for that customer"
