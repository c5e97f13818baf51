"""Several clamds in one engine, and what is given to them as an open file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import LocalError
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.scanning.clamd.control import ClamdControl
from satellite.scanning.clamd.server import FILE_BYTES_MIN, IN_MEMORY_BYTES_MIN, REFUSES_S
from satellite.scanning.engine import EngineContext
from satellite.scanning.engines.clamav import Clamav, build
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.clock import FakeClock
from tests.support.network.ports import free_port
from tests.support.scanning.messages import file_sample, plain, sample_of
from tests.support.scanning.scripted_clamd import Close, Hang, ScriptedClamd

DEADLINE_S = 20.0
LARGE = plain(b"x" * IN_MEMORY_BYTES_MIN)


def clean(_: bytes) -> bytes:
    return b"stream: OK"


def version_of(definitions: int) -> bytes:
    return b"ClamAV 1.4.6/%d/Tue Nov 24 08:00:00 2026" % definitions


async def scan(engine: Clamav, sample: Sample | None = None) -> Verdict:
    return await engine.scan(sample or sample_of(plain(b"hello")), deadline_s=DEADLINE_S)


def engine_at(*addresses: str, clock: FakeClock | None = None) -> Clamav:
    return Clamav("clamav", addresses, clock=clock or FakeClock(), sessions_max=8)


async def test_a_dead_one_costs_a_connect_and_no_verdict(tmp_path: Path) -> None:
    async with ScriptedClamd(tmp_path / "b", clean) as living:
        engine = engine_at(f"unix:{tmp_path}/a", f"127.0.0.1:{free_port()}", living.address)
        verdicts = await asyncio.gather(*(scan(engine) for _ in range(20)))
        health = await engine.probe()
        await engine.close()

    assert {(one.outcome, one.attempt) for one in verdicts} == {(Outcome.CLEAN, 1)}
    assert health.answering
    assert health.detail.startswith(f"1 of 3 answer; unix:{tmp_path}/a: clamd does not answer PING")


async def test_a_verdict_bears_the_definitions_of_the_one_that_gave_it(tmp_path: Path) -> None:
    clock = FakeClock()
    async with ScriptedClamd(tmp_path / "b", clean, version=version_of(8)) as new:
        engine = engine_at(f"unix:{tmp_path}/a", new.address, clock=clock)
        by_new = await scan(engine)
        async with ScriptedClamd(tmp_path / "a", clean, version=version_of(7)):
            health = await engine.probe()
            by_old = await scan(engine)
        await engine.close()

    assert (by_new.definitions, by_old.definitions) == ("8", "7")
    assert by_old.definitions_us > 0
    assert health.definitions == "7"
    assert "their definitions differ" in health.detail


async def test_one_that_says_that_it_failed_is_not_the_end(tmp_path: Path) -> None:
    """Such as for want of memory while it loads its definitions anew."""

    def short(_: bytes) -> bytes:
        return b"stream: Can't allocate memory ERROR"

    async with (
        ScriptedClamd(tmp_path / "a", short) as loading,
        ScriptedClamd(tmp_path / "b", clean) as other,
    ):
        engine = engine_at(loading.address, other.address)
        verdict = await scan(engine)
        await engine.close()

    assert verdict.outcome is Outcome.CLEAN


async def test_a_message_that_ends_one_is_not_shown_to_the_next(tmp_path: Path) -> None:
    def deadly(_: bytes) -> bytes:
        raise Close

    async with (
        ScriptedClamd(tmp_path / "a", deadly) as one,
        ScriptedClamd(tmp_path / "b", deadly) as other,
    ):
        engine = engine_at(one.address, other.address)
        verdict = await scan(engine)
        await engine.close()

    assert verdict.outcome is Outcome.ERROR
    assert one.received.is_set()
    assert other.connections == 0


async def test_one_that_hangs_costs_the_messages_that_it_has_and_no_further(
    tmp_path: Path,
) -> None:
    def hang(_: bytes) -> bytes:
        raise Hang

    async with (
        ScriptedClamd(tmp_path / "a", hang) as hung,
        ScriptedClamd(tmp_path / "b", clean) as other,
    ):
        engine = engine_at(hung.address, other.address)
        late = await engine.scan(sample_of(plain(b"hello")), deadline_s=0.2)
        others = [await scan(engine) for _ in range(5)]
        await engine.close()

    assert late.outcome is Outcome.TIMEOUT
    assert {one.outcome for one in others} == {Outcome.CLEAN}


async def test_a_kind_is_opened_only_if_each_opens_it(tmp_path: Path) -> None:
    old = b"ClamAV 1.3.2/27807/Tue Nov 24 08:00:00 2026"
    async with (
        ScriptedClamd(tmp_path / "a", clean) as new,
        ScriptedClamd(tmp_path / "b", clean, version=old) as other,
    ):
        engine, alone = engine_at(new.address, other.address), engine_at(new.address)
        kinds, by_new = await engine.opens(), await alone.opens()
        await engine.close()
        await alone.close()

    assert "udf" in kinds
    assert by_new - kinds == {"alz", "lha"}


@pytest.mark.parametrize("where", ["memory", "file"])
async def test_one_that_refuses_open_files_is_sent_what_it_is_shown(
    tmp_path: Path, where: str
) -> None:
    clock = FakeClock()
    seen: list[bytes] = []

    def keep(content: bytes) -> bytes:
        seen.append(content)
        return b"stream: OK"

    sample = sample_of(LARGE) if where == "memory" else file_sample(tmp_path / "body", LARGE)
    async with ScriptedClamd(tmp_path / "a", keep) as peer:
        engine = engine_at(peer.address, clock=clock)
        outcomes = [(await scan(engine, sample)).outcome for _ in range(3)]
        offered = peer.descriptors_offered
        await clock.advance(REFUSES_S)
        await scan(engine, sample)
        await engine.close()

    assert outcomes == [Outcome.CLEAN] * 3
    assert seen == [LARGE] * 4
    assert (offered, peer.descriptors_offered) == (1, 2)


async def test_it_is_never_told_to_end(tmp_path: Path) -> None:
    async with ScriptedClamd(tmp_path / "a", clean) as peer:
        engine = engine_at(peer.address)
        for sample in (sample_of(plain(b"x")), sample_of(LARGE)):
            await scan(engine, sample)
        await engine.probe()
        await engine.opens()
        await engine.close()
        await ClamdControl(peer.address).reload()
        commands = peer.commands

    scanning = {b"IDSESSION", b"VERSION", b"INSTREAM", b"FILDES"}
    assert commands == scanning | {b"PING", b"STATS", b"RELOAD"}


async def test_a_small_message_is_sent(tmp_path: Path) -> None:
    async with ScriptedClamd(tmp_path / "a", clean) as peer:
        engine = engine_at(peer.address)
        await scan(engine, sample_of(b"x" * (IN_MEMORY_BYTES_MIN - 1)))
        await scan(engine, file_sample(tmp_path / "body", b"x" * (FILE_BYTES_MIN - 1)))
        await engine.close()

    assert peer.descriptors_offered == 0


@pytest.mark.parametrize("changed", [b"short", LARGE + b"x"], ids=["shorter", "longer"])
async def test_a_file_that_is_not_as_long_as_the_message_is_not_shown(
    tmp_path: Path, changed: bytes
) -> None:
    sample = file_sample(tmp_path / "body", LARGE)
    (tmp_path / "body").write_bytes(changed)
    async with ScriptedClamd(tmp_path / "a", clean) as peer:
        engine = engine_at(peer.address)
        verdict = await scan(engine, sample)
        await engine.close()

    assert verdict.outcome is Outcome.ERROR
    assert peer.descriptors_offered == 0


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1:3310"], ["unix:/run/b", "unix:/run/b"]],
    ids=["the first again", "one twice"],
)
def test_a_clamd_stands_there_once(addresses: list[str]) -> None:
    clock = SystemClock()
    settings = EngineSettings(
        name="clamav",
        kind="clamd",
        address="127.0.0.1:3310",
        options={"addresses": [*addresses]},
    )

    with pytest.raises(LocalError, match="twice"):
        build(settings, EngineContext(clock=clock, helper=Helper(clock=clock)))


async def test_what_one_died_of_is_shown_to_the_other_when_it_comes_again(tmp_path: Path) -> None:
    async def dies(_: bytes) -> bytes:
        raise Close

    async with (
        ScriptedClamd(tmp_path / "a", dies) as weak,
        ScriptedClamd(tmp_path / "b", clean) as well,
    ):
        engine = engine_at(weak.address, well.address)
        verdicts = [await scan(engine) for _ in range(2)]
        await engine.close()

    assert [(one.outcome, one.died) for one in verdicts] == [
        (Outcome.ERROR, True),
        (Outcome.CLEAN, False),
    ]
