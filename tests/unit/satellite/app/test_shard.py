"""A shard's rooms are connected: what comes in goes its way, and what is wrong is told."""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from common.certificate import CertificateStatus
from common.clock import SystemClock
from common.errors import DiskFull
from common.link import DefinitionsOffer
from common.loop_lag import LoopLag
from common.preferences import Kind
from common.records import Event, NodeRecord
from common.reports import BEGINS_ANEW, DRAINING
from common.settings.satellite import SatelliteSettings
from common.states import State
from satellite.app.shard import Shard
from satellite.definitions.kept_sets import standing_file
from satellite.overload.pressure import Refusal
from satellite.scanning.engine import EngineHealth
from satellite.spool.store import Spool
from tests.support.core.preferences import at, document, preferences, route
from tests.support.network.link import Certificates, HurriedClock, satellite_settings
from tests.support.network.ports import free_port
from tests.support.node.shard import until
from tests.support.smtp.certificate import self_signed
from tests.support.smtp.front_end import Talk
from tests.support.smtp.sink import Sink
from tests.support.spool.open_spool import accept


class OpenShard(Protocol):
    """Opens a shard, after a restart if need be, whose settings are changed so."""

    async def __call__(self, **changed: Any) -> Shard: ...


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

    async def again(**changed: Any) -> Shard:
        await close()
        changed_settings = SatelliteSettings.model_validate(settings.model_dump() | changed)
        spool = await Spool.open(folder, node="lon1", shard=0, clock=SystemClock())
        lag = LoopLag(SystemClock())
        opened.append(
            Shard(
                spool,
                changed_settings,
                sockets=[],
                on_broken=lambda: None,
                on_renewal=lambda: None,
                loop_lag=lag,
            )
        )
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
    open_shard: OpenShard, capsys: pytest.CaptureFixture[str]
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
    # The node's own log says so too; no core was there to be told.
    lines = [line for line in capsys.readouterr().out.splitlines() if "message.ended" in line]
    told = {one["message"]: one["outcome"] for one in map(json.loads, lines)}
    assert told == ended


async def test_what_was_refused_is_on_record_when_a_worker_ends(open_shard: OpenShard) -> None:
    shard = await open_shard()
    await prefer(shard.spool, "127.0.0.1:9")
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    shard._sockets.append(sock)
    port = sock.getsockname()[1]

    async with at_work(shard):
        await until(lambda: shard.listening, "it listens")
        talk = await Talk.connect("127.0.0.1", port)
        await talk.greet()
        await talk.ask("MAIL FROM:<s@sender.example>")
        await talk.ask("RCPT TO:<joe@elsewhere.example>")
        await talk.close()

    (refused,) = [fields for event, fields in events(shard.spool) if event == Event.REFUSED]
    assert (refused["reason"], refused["senders"]) == ("relay_denied", ["s@sender.example"])
    assert refused["recipients"] == ["joe@elsewhere.example"]


async def test_a_certificate_that_broke_since_the_start_is_told_once_until_it_is_mended(
    open_shard: OpenShard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that begins anew looks at files that were looked at when its node began."""
    files = self_signed(tmp_path / "smtp", "lon1.mx.example")
    shard = await open_shard(smtp={"listen": ["127.0.0.1:1"], **files})
    key = Path(files["key"])
    whole = key.read_bytes()
    key.write_bytes(b"half")
    await prefer(shard.spool, "127.0.0.1:9")
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    shard._sockets.append(sock)
    shard.clock = HurriedClock()

    async with at_work(shard):
        await until(lambda: "cannot be used for STARTTLS" in shard.not_accepting_reason, "seen")
        looked_s = shard.clock.monotonic_s()
        await until(lambda: shard.clock.monotonic_s() > looked_s + 5, "it was tried again")
        key.write_bytes(whole)
        await until(lambda: shard.listening, "it listens")
        assert shard.not_accepting_reason == ""

    said = capsys.readouterr().out
    assert said.count("shard.cannot_listen") == 1
    assert "task.failed" not in said


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


async def test_a_pause_is_told_apart_from_an_operator_s_order_which_outlasts_it(
    open_shard: OpenShard,
) -> None:
    shard = await open_shard()
    await prefer(shard.spool, "127.0.0.1:9")

    async with at_work(shard):
        await until(lambda: shard.report().accepting, "it accepts")
        await shard.pause(True)
        told = shard.report()
        assert (told.accepting, told.not_accepting_reason) == (False, BEGINS_ANEW)

        await shard.empty(True)
        await shard.pause(False)
        assert shard.report().not_accepting_reason == DRAINING
        await shard.pause(True)
        await shard.empty(False)
        assert shard.report().not_accepting_reason == BEGINS_ANEW, "its process ends all the same"

        await shard.pause(False)
        assert shard.report().accepting


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


async def test_stale_definitions_of_an_engine_are_told_to_the_core(
    open_shard: OpenShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = await open_shard()
    made_us = shard.clock.now_us() - 240 * 3_600_000_000
    health = EngineHealth(answering=True, definitions="27807", definitions_us=made_us)

    async def probed() -> dict[str, EngineHealth]:
        return {"clamav": health}

    monkeypatch.setattr(shard.scanner, "probe_all", probed)
    async with at_work(shard):
        await until(lambda: bool(shard.report().engines), "the engines are probed")
        [problem] = shard.report().problems

    assert problem.startswith("the definitions of clamav are 10.0 days old")


async def test_definitions_that_came_into_use_end_what_is_remembered_and_set_off_a_second_look(
    open_shard: OpenShard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "definitions"
    shard = await open_shard(
        engines=[{"name": "clamav", "kind": "clamd", "address": f"unix:{tmp_path}/none"}],
        definitions=[{"engine": "clamav", "folder": str(folder)}],
    )
    said: list[str] = []
    monkeypatch.setattr(shard.scanner, "forget", said.append)
    monkeypatch.setattr(shard.second_look, "definitions_changed", lambda: said.append("look again"))
    standing = standing_file(folder)
    standing.parent.mkdir(parents=True)
    written = 0

    def is_told() -> bool:
        nonlocal written
        written += 1
        standing.write_text(f"set {written}")  # the first one may be there at the first look
        return said[:2] == ["clamav", "look again"]

    async with at_work(shard):
        await until(is_told, "the change is told")


async def test_what_the_core_offers_comes_to_who_keeps_the_nodes_definitions(
    open_shard: OpenShard, tmp_path: Path
) -> None:
    shard = await open_shard(
        engines=[{"name": "clamav", "kind": "clamd", "address": f"unix:{tmp_path}/none"}],
        definitions=[{"engine": "clamav", "folder": str(tmp_path / "gone")}],
    )
    offer = DefinitionsOffer(family="clamav", serial=5, sha256=b"x" * 32, may_load=True, port=1)

    shard.link._control._on_definitions(offer)
    async with at_work(shard):
        await until(lambda: bool(shard.report().problems), "the folder is missed")

    [report] = shard.report().definitions
    assert (report.family, report.offered) == ("clamav", 5)
    assert "cannot use" in shard.report().problems[0]


async def test_a_report_names_a_filters_document_that_does_nothing(open_shard: OpenShard) -> None:
    shard = await open_shard()
    wrong = document(Kind.FILTER, "people", kind="spoofing", options={"persn": 1.0})
    await shard.spool.apply_preferences(
        [wrong], position=at(1), digest=preferences(wrong).digest, snapshot=True
    )

    (problem,) = shard.report().problems
    assert problem.startswith("the filter document people does nothing: ")


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


async def test_a_look_that_failed_is_not_the_last_one(
    open_shard: OpenShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = await open_shard()
    await prefer(shard.spool, "127.0.0.1:9")
    door = socket.create_server(("127.0.0.1", 0))
    shard._sockets = [door]
    looked, real = 0, shard.acceptance.look

    def look() -> Refusal | None:
        nonlocal looked
        looked += 1
        if looked == 3:
            raise OSError(errno.EMFILE, "too many open files")
        return real()

    monkeypatch.setattr(shard.acceptance, "look", look)
    monkeypatch.setattr("satellite.app.shard.LOOK_S", 0.001)
    with pytest.raises(OSError, match="too many"):
        await shard._listen()

    again = asyncio.create_task(shard._listen())  # as whoever keeps it running does
    try:
        await until(lambda: looked > 5, "it goes on")
    finally:
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)
        await shard.drain(turns_away=True)
