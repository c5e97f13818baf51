"""A shard's rooms are connected: what comes in goes its way, and what is wrong is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from common.certificate import CertificateStatus
from common.clock import SystemClock
from common.errors import DiskFull
from common.records import Event, NodeRecord
from common.states import State
from satellite.app.shard import Shard
from satellite.spool.store import Spool
from tests.support.core.preferences import at, preferences, route
from tests.support.network.link import Certificates, satellite_settings
from tests.support.network.ports import free_port
from tests.support.node.shard import until
from tests.support.smtp.sink import Sink
from tests.support.spool.open_spool import accept

OpenShard = Callable[[], Awaitable[Shard]]


@pytest.fixture
async def open_shard(tmp_path: Path) -> AsyncIterator[OpenShard]:
    """Open the one shard of a folder, after a restart if need be."""
    tls = Certificates(tmp_path / "authority").issue("satellite", "lon1")
    settings = satellite_settings(tls, port=free_port())
    folder = tmp_path / "shard-0"
    folder.mkdir()
    opened: list[Shard] = []

    async def close() -> None:
        while opened:
            shard = opened.pop()
            await shard.close()
            await shard.spool.close()

    async def again() -> Shard:
        await close()
        spool = await Spool.open(folder, node="lon1", shard=0, clock=SystemClock())
        opened.append(Shard(spool, settings, sockets=[], on_broken=lambda: None))
        return opened[0]

    yield again
    await close()


@asynccontextmanager
async def at_work(shard: Shard) -> AsyncIterator[None]:
    run = asyncio.create_task(shard.run())
    try:
        yield
    finally:
        await shard.drain(turns_away=True)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def prefer(spool: Spool, server: str) -> None:
    """Give a shard its first preferences: one domain, and where its mail goes."""
    document = route("acme.example", deliver_to=[server])
    await spool.apply_preferences(
        [document], position=at(1), digest=preferences(document).digest, snapshot=True
    )


def events(spool: Spool) -> list[tuple[str, dict[str, Any]]]:
    return [
        (record.event, json.loads(record.fields))
        for record in spool.records(after=0, limit=100)
        if not record.message_id
    ]


async def test_mail_goes_from_received_to_the_customer_and_a_restart_loses_none(
    open_shard: OpenShard,
) -> None:
    async with Sink() as sink:
        shard = await open_shard()
        await prefer(shard.spool, f"127.0.0.1:{sink.port}")
        before = await accept(shard.spool, "x@acme.example")  # accepted, and nobody at work yet

        shard = await open_shard()
        async with at_work(shard):
            after = await accept(shard.spool, "y@acme.example")
            await until(lambda: not any(shard.spool.counts().values()), "all have ended")
            ended = {
                record.message_id: json.loads(record.fields)["recipients"][0]["outcome"]
                for record in shard.spool.records(after=0, limit=100)
                if record.event == Event.ENDED
            }

    assert ended == {before: State.DELIVERED, after: State.DELIVERED}


async def test_other_preferences_reach_mail_that_is_held_and_a_report_names_who_was_reached(
    open_shard: OpenShard,
) -> None:
    shard = await open_shard()
    await prefer(shard.spool, f"127.0.0.1:{free_port()}")
    async with Sink() as sink, at_work(shard):
        await accept(shard.spool, "x@acme.example")
        await until(lambda: bool(shard.report().holds), "it is on hold")
        assert [hold.destination for hold in shard.report().holds] == ["acme.example"]

        await prefer(shard.spool, f"127.0.0.1:{sink.port}")
        shard._have_preferences()  # as the link does after it applied them
        await until(lambda: not any(shard.spool.counts().values()), "it has left")

        assert shard.report().reached == ("acme.example",)
        assert shard.report().holds == ()


async def test_what_a_spool_may_not_take_is_told_once_and_so_is_its_end(
    open_shard: OpenShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = await open_shard()
    await prefer(shard.spool, "127.0.0.1:9")
    reason: list[str | None] = [None]
    monkeypatch.setattr(shard.spool, "refusal", lambda: reason[0])
    monkeypatch.setattr("satellite.app.shard.LOOK_S", 0.001)
    known = len(events(shard.spool))

    async with at_work(shard):
        await until(lambda: shard.report().accepting, "it accepts")

        reason[0] = "1 MiB of disk free"
        await until(lambda: shard.not_accepting_reason == "1 MiB of disk free", "it tells why")
        assert not shard.report().accepting
        assert shard.report().not_accepting_reason == "1 MiB of disk free"
        await until(lambda: len(events(shard.spool)) == known + 1, "a record of it")

        reason[0] = None
        await until(lambda: shard.report().accepting, "it accepts again")
        await until(lambda: len(events(shard.spool)) == known + 2, "a record of it")

    assert events(shard.spool)[known:] == [
        ("not_accepting", {"reason": "1 MiB of disk free", "cause": "disk"}),
        ("accepting", {"reason": "", "cause": ""}),
    ]


async def test_an_emptying_shard_says_so_tries_all_it_has_and_takes_it_back(
    open_shard: OpenShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = await open_shard()
    await prefer(shard.spool, "127.0.0.1:9")
    flushed: list[str] = []
    monkeypatch.setattr(shard.delivery, "flush", lambda destination="": flushed.append(destination))

    async with at_work(shard):
        await until(lambda: shard.report().accepting, "it accepts")
        await shard.empty(True)
        assert shard.report().not_accepting_reason == "draining"
        assert not shard.report().accepting
        assert flushed == [""]

        await shard.empty(False)
        assert shard.report().accepting
        assert flushed == [""]


async def test_a_shard_that_is_one_too_many_never_says_that_it_accepts(
    open_shard: OpenShard,
) -> None:
    shard = await open_shard()
    await prefer(shard.spool, "127.0.0.1:9")
    shard.spool.shard = shard.settings.workers

    async with at_work(shard):
        await until(lambda: shard.not_accepting_reason.startswith("retiring"), "it says so")
        assert not shard.report().accepting
        assert not shard.listening


async def test_a_shard_without_preferences_waits_for_them(open_shard: OpenShard) -> None:
    shard = await open_shard()

    async with at_work(shard):
        await until(lambda: shard.not_accepting_reason == "no preferences yet", "it says so")
        report = shard.report()

    assert not shard.listening
    assert not report.accepting
    assert report.not_accepting_reason == "no preferences yet"


async def test_a_certificate_that_could_not_be_renewed_is_told_to_the_core(
    open_shard: OpenShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = await open_shard()
    status = CertificateStatus(1_800_000_000.0, "the key belongs to another certificate")
    monkeypatch.setattr(shard.front_end, "certificate_status", lambda: status)

    [problem] = shard.report().problems

    assert problem.endswith("the key belongs to another certificate")


async def test_a_report_says_what_is_in_the_spool_and_nothing_of_what_is_not(
    open_shard: OpenShard,
) -> None:
    shard = await open_shard()
    await accept(shard.spool, "x@acme.example", "y@acme.example")

    report = shard.report()

    assert report.spool == {"received": 2}
    assert report.holds == ()


async def test_a_full_disk_holds_up_neither_the_look_at_it_nor_the_end(
    open_shard: OpenShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = await open_shard()
    await prefer(shard.spool, "127.0.0.1:9")
    refused: list[Event] = []

    async def refuse(*records: NodeRecord) -> None:
        refused.extend(record.event for record in records)
        raise DiskFull("the spool's disk is full")

    monkeypatch.setattr(shard.spool, "note", refuse)
    monkeypatch.setattr(shard.spool, "refusal", lambda: "no room")
    monkeypatch.setattr("satellite.app.shard.LOOK_S", 0.001)

    async with at_work(shard):
        await until(lambda: refused == [Event.NOT_ACCEPTING], "the record is tried")
        assert shard.not_accepting_reason == "no room"
    await shard.say_stopped()

    assert refused == [Event.NOT_ACCEPTING, Event.STOPPED]
