"""A core and spools that are not the ones that it knows: put back, run twice, stolen, renewed."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.records import NotAcceptingRecord
from satellite.spool.mending.renewal import ask_for_renewal
from satellite.spool.store import Spool
from tests.support.network.link import Certificates, MemorySpool, Shard, until
from tests.support.network.linked_cluster import LinkedCluster
from tests.support.spool.quarantined import quarantine

FORK = "a copy of the spool of lon1/0 is not heard"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def linked(tmp_path: Path, certificates: Certificates) -> AsyncIterator[LinkedCluster]:
    built = LinkedCluster(tmp_path, certificates)
    await built.start_core()
    yield built
    await built.stop()


async def tell(spool: Spool, *reasons: str) -> None:
    for reason in reasons:
        await spool.note(NotAcceptingRecord(reason=reason, cause=""))


async def reasons_at(linked: LinkedCluster) -> list[str]:
    events = await linked.core.database.records.node_events(limit=10_000)
    return sorted(event["reason"] for event in events if event["event"] == "not_accepting")


def is_told(linked: LinkedCluster) -> bool:
    return any(FORK in problem for problem in linked.core.problems("lon1"))


async def all_taken(spool: Spool | MemorySpool) -> None:
    await until(lambda: spool.backlog_sizes() == (0, 0), "the core has everything")


@pytest.mark.parametrize("numbers", ["behind", "caught up"])
async def test_a_spool_that_was_put_back_loses_nothing_and_is_renewed(
    linked: LinkedCluster, tmp_path: Path, numbers: str
) -> None:
    spool = await linked.open(tmp_path / "lon1")
    shard = linked.shard(spool)
    await tell(spool, "before")
    await all_taken(spool)
    await shard.stop()
    await tell(spool, "on its way")  # what the core has by the time of the snapshot, or not
    await linked.close(spool)
    shutil.copytree(tmp_path / "lon1", tmp_path / "snapshot")
    spool = await linked.open(tmp_path / "lon1")
    shard = linked.shard(spool)
    await tell(spool, "a", "b")
    await all_taken(spool)
    await shard.stop()
    await linked.close(spool)

    back = await linked.open(tmp_path / "snapshot")
    message = await quarantine(back, b"kept here alone")
    await tell(back, *(f"new {n}" for n in range(1 if numbers == "behind" else 9)))
    waiting = back.backlog_sizes()
    shard = linked.shard(back)

    await until(lambda: is_told(linked), "the core says what it is")
    await until(lambda: bool(back.life.forked), "the spool says what it is")
    assert "borderscout spool renew" in shard.link.status(now_s=0.0).forked
    assert back.backlog_sizes() == waiting
    await shard.stop()
    await linked.close(back)
    back = await linked.open(tmp_path / "snapshot")  # it remembers, and so does the core
    assert back.life.forked
    await linked.close(back)

    ask_for_renewal(tmp_path / "snapshot")
    back = await linked.open(tmp_path / "snapshot")
    linked.shard(back)
    await all_taken(back)
    await until(lambda: linked.core.link.fleet.connected() != [], "the new life")
    found = await reasons_at(linked)
    assert found == sorted({*found, "before", "on its way", "a", "b", "new 0"})  # each once
    case = await linked.core.custody.case(message)
    assert case is not None
    assert case.state == "held"


async def test_of_a_folder_that_is_run_twice_the_second_is_fenced_and_loses_nothing(
    linked: LinkedCluster, tmp_path: Path
) -> None:
    spool = await linked.open(tmp_path / "one")
    first = linked.shard(spool)
    await tell(spool, "before")
    await all_taken(spool)
    await first.stop()
    await linked.close(spool)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    spools = [await linked.open(tmp_path / name) for name in ("one", "two")]
    shards = [linked.shard(spool) for spool in spools]

    for number in range(10):
        await asyncio.gather(
            tell(spools[0], f"first {number}"), tell(spools[1], f"second {number}")
        )
    await until(lambda: any(spool.life.forked for spool in spools), "one is found out")
    fork = next(number for number, spool in enumerate(spools) if spool.life.forked)
    real, copy = spools[1 - fork], spools[fork]
    await until(lambda: is_told(linked), "the core says so")
    await all_taken(real)

    assert not real.life.forked
    await shards[1 - fork].stop()
    await shards[fork].stop()
    await linked.close(copy)
    ask_for_renewal(copy.folder)
    copy = await linked.open(copy.folder)
    linked.shard(copy)
    await all_taken(copy)
    wanted = ["before", *(f"{who} {n}" for who in ("first", "second") for n in range(10))]
    assert await reasons_at(linked) == sorted(wanted)


async def test_two_processes_on_copies_that_have_nothing_to_tell_are_found_by_their_turns(
    linked: LinkedCluster,
) -> None:
    shards = [linked.shard(MemorySpool()), linked.shard(MemorySpool())]

    def fenced() -> list[Shard]:
        return [one for one in shards if "two processes" in " ".join(problems(one))]

    await until(lambda: len(fenced()) == 1, "one of them is fenced")
    await until(lambda: is_told(linked), "the core says so")
    (real,) = [one for one in shards if one not in fenced()]
    await until(lambda: real.link.status(now_s=0.0).connected, "the other one is let in")


def problems(shard: Shard) -> tuple[str, ...]:
    return shard.link.status(now_s=0.0).problems


async def test_a_thief_of_a_certificate_fences_a_shard_and_no_more(
    linked: LinkedCluster, tmp_path: Path
) -> None:
    spool = await linked.open(tmp_path / "lon1")
    shard = linked.shard(spool)
    await tell(spool, "before")
    await all_taken(spool)

    thief = MemorySpool()
    thief.life.incarnation = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    stolen = linked.shard(thief)
    await until(lambda: any("later life" in one for one in problems(shard)), "it is fenced")
    await tell(spool, "meanwhile")
    await until(
        lambda: any("not heard, from" in one for one in linked.core.problems("lon1")), "told"
    )
    assert spool.backlog_sizes()[0] == 1

    await stolen.stop()
    await shard.stop()
    await linked.close(spool)
    ask_for_renewal(spool.folder)
    spool = await linked.open(spool.folder)
    linked.shard(spool)
    await all_taken(spool)
    assert await reasons_at(linked) == ["before", "meanwhile"]


async def test_a_disk_that_was_rebuilt_under_a_slow_clock_is_heard(linked: LinkedCluster) -> None:
    before, rebuilt = MemorySpool(life=2), MemorySpool(life=1)
    first = linked.shard(before)
    await until(lambda: linked.core.link.fleet.connected() != [], "the first life")
    await first.stop()

    linked.shard(rebuilt)
    rebuilt.record("accepting")

    await all_taken(rebuilt)
