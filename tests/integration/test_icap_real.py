"""The ICAP engine against a real c-icap, whose virus-scan module asks a real clamd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import JsonValue

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome
from satellite.scanning.conformance import (
    CHECKS,
    Arranged,
    Condition,
    ConformanceCheck,
    NotApplicable,
)
from satellite.scanning.engine import Engine, EngineContext
from satellite.scanning.engines import icap
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.network.authority import Authority
from tests.support.network.ports import free_port
from tests.support.scanning.c_icap import CIcap, what_is_missing
from tests.support.scanning.clamd import EICAR, SIGNATURE_NAME, Clamd
from tests.support.scanning.messages import (
    file_sample,
    locked,
    numbered_sample,
    plain,
    sample_of,
    watched,
    with_attachment,
    zipped,
)

pytestmark = [
    pytest.mark.skipif(what_is_missing() != "", reason=f"{what_is_missing()} is not installed"),
]

DEADLINE_S = 60.0
OBJECT_BYTES_MAX = 5 * 1024 * 1024
SETTINGS = ("StreamMaxLength 20M", "MaxRecursion 4", "MaxFiles 50")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIcap]:
    with Clamd(tmp_path_factory.mktemp("icap"), *SETTINGS) as clamd, CIcap(clamd) as running:
        yield running


@pytest.fixture
async def engine(server: CIcap) -> AsyncIterator[Engine]:
    engine = engine_at(server.address)
    yield engine
    await engine.close()


def engine_at(address: str, service: str = "virus_scan", **options: JsonValue) -> Engine:
    clock = SystemClock()
    settings = EngineSettings(
        name="c-icap", kind="icap", address=address, options={"service": service, **options}
    )
    return icap.build(settings, EngineContext(clock=clock, helper=Helper(clock=clock)))


def nested(depth: int) -> bytes:
    content = b"harmless"
    for level in range(depth):
        content = zipped((f"{level}.zip", content))
    return content


MESSAGES = [
    ("clean", plain(b"hello"), Outcome.CLEAN),
    ("empty", b"", Outcome.CLEAN),
    ("one octet", b"x", Outcome.CLEAN),
    ("plain", plain(EICAR), Outcome.INFECTED),
    ("beyond the preview", plain(b"x" * 5_000 + EICAR), Outcome.INFECTED),
    ("ends of chunks", plain(b"\r\n0\r\n\r\n" * 300 + EICAR), Outcome.INFECTED),
    ("base64", with_attachment(EICAR), Outcome.INFECTED),
    ("zip", with_attachment(zipped(("a.txt", EICAR))), Outcome.INFECTED),
    ("locked", with_attachment(locked(zipped(("a.txt", b"x" * 100)))), Outcome.ENCRYPTED),
    ("deep", with_attachment(nested(8)), Outcome.LIMITS),
    ("larger than it scans", plain(b"x" * OBJECT_BYTES_MAX), Outcome.LIMITS),
    ("nearly as large", plain(b"x" * (OBJECT_BYTES_MAX - 1000)), Outcome.CLEAN),
    ("large, with a virus", plain(b"x" * 4_000_000 + EICAR), Outcome.INFECTED),
    ("a kind that it skips", b"BM" + b"x" * 100, Outcome.LIMITS),
]


@pytest.mark.parametrize(("name", "message", "outcome"), MESSAGES, ids=[m[0] for m in MESSAGES])
async def test_a_real_c_icap_says(
    engine: Engine, name: str, message: bytes, outcome: Outcome
) -> None:
    verdict = await engine.scan(sample_of(message), deadline_s=DEADLINE_S)

    assert verdict.outcome is outcome, verdict
    assert verdict.version.startswith("C-ICAP/")
    assert verdict.definitions.startswith("CI0001-")
    if outcome is Outcome.INFECTED:
        assert verdict.threats == (SIGNATURE_NAME,)


async def test_one_connection_after_another_serves_them_all(engine: Engine) -> None:
    """It closes each after a hundred questions (MaxKeepAliveRequests)."""
    for number in range(250):
        sample = numbered_sample(number, infected=number % 5 == 0)
        verdict = await engine.scan(sample, deadline_s=DEADLINE_S)

        assert (verdict.outcome is Outcome.INFECTED) is (number % 5 == 0), verdict


async def test_messages_at_once_do_not_mix_up_their_answers(engine: Engine) -> None:
    verdicts = await asyncio.gather(
        *(
            engine.scan(numbered_sample(n, infected=n % 3 == 0), deadline_s=DEADLINE_S)
            for n in range(200)
        )
    )

    assert [v.outcome is Outcome.INFECTED for v in verdicts] == [n % 3 == 0 for n in range(200)]


async def test_a_body_in_a_file_is_scanned(engine: Engine, tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", plain(b"x" * 500_000 + EICAR))

    assert (await engine.scan(sample, deadline_s=DEADLINE_S)).outcome is Outcome.INFECTED


async def test_a_probe_tells_version_and_offer(engine: Engine) -> None:
    health = await engine.probe()

    assert health.answering
    assert health.version.startswith("C-ICAP/")
    assert health.detail == "preview 1024, connections not said"


async def test_a_service_that_is_not_there_is_told(server: CIcap) -> None:
    engine = engine_at(server.address, "nobody")
    verdict = await engine.scan(sample_of(plain(b"x")), deadline_s=DEADLINE_S)
    await engine.close()

    assert verdict.outcome is Outcome.ERROR
    assert verdict.detail.startswith("wrong service")


async def test_one_that_has_lost_its_scanner_and_says_204_to_all_is_not_believed(
    tmp_path: Path,
) -> None:
    """«Antivirus engine is not available, allow 204», says its log when it looks for one in vain.

    Until it has looked again it says 500.
    """
    with Clamd(tmp_path, *SETTINGS) as clamd, CIcap(clamd) as server:
        clamd.kill()
        engine = engine_at(server.address)
        verdicts = [
            await engine.scan(sample_of(message), deadline_s=DEADLINE_S)
            for message in (plain(b"x"), plain(EICAR), plain(b"x" * 100_000))
        ]
        await engine.close()

    assert all(verdict.outcome is not Outcome.CLEAN for verdict in verdicts), verdicts


async def test_one_that_never_found_its_scanner_is_unavailable_and_the_next_is_asked(
    tmp_path: Path,
) -> None:
    """It answers OPTIONS as ever, and 204 to all, also when its clamd is there at last."""
    blind, sound = tmp_path / "blind", tmp_path / "sound"
    blind.mkdir()
    sound.mkdir()
    with Clamd(sound, *SETTINGS) as clamd, CIcap(Clamd(blind)) as lost, CIcap(clamd) as server:
        alone, both = engine_at(lost.address), engine_at(lost.address, addresses=[server.address])
        verdicts = [
            await alone.scan(sample_of(message), deadline_s=DEADLINE_S)
            for message in (plain(b"x"), plain(EICAR), plain(b"x" * 100_000))
        ]
        health = await alone.probe()
        by_next = await both.scan(sample_of(plain(EICAR)), deadline_s=DEADLINE_S)
        await alone.close()
        await both.close()

    assert {verdict.outcome for verdict in verdicts} == {Outcome.UNAVAILABLE}
    assert not health.answering
    assert "looks at nothing" in health.detail
    assert by_next.outcome is Outcome.INFECTED


@pytest.mark.parametrize("size", [10, 500_000, 4_000_000])
async def test_it_is_the_same_by_tls(tmp_path: Path, size: int) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("127.0.0.1")
    with Clamd(tmp_path, *SETTINGS) as clamd, CIcap(clamd, certificate=certificate) as server:
        engine = engine_at(server.tls_address, tls=True, tls_authorities=str(authority.path))
        outcomes = [
            (await engine.scan(sample_of(plain(b"x" * size + end)), deadline_s=DEADLINE_S)).outcome
            for end in (b"", EICAR, b"")
        ]
        await engine.close()

    assert outcomes == [Outcome.CLEAN, Outcome.INFECTED, Outcome.CLEAN]


async def test_a_virus_that_it_tells_of_by_breaking_off_is_no_clean_mail(tmp_path: Path) -> None:
    percent = "virus_scan.StartSendPercentDataAfter 0"
    with Clamd(tmp_path, *SETTINGS) as clamd, CIcap(clamd, percent) as server:
        engine = engine_at(server.address)
        verdict = await engine.scan(sample_of(plain(b"x" * 500_000 + EICAR)), deadline_s=DEADLINE_S)
        await engine.close()

    assert verdict.outcome is not Outcome.CLEAN


async def test_without_its_clamd_nothing_is_clean_and_then_all_is_well(tmp_path: Path) -> None:
    with Clamd(tmp_path, *SETTINGS) as clamd, CIcap(clamd) as server:
        engine = engine_at(server.address)
        outcomes = []
        for change in (None, clamd.kill, None, clamd.start):
            if change is not None:
                change()
            verdict = await engine.scan(sample_of(plain(b"x")), deadline_s=DEADLINE_S)
            outcomes.append(verdict.outcome)
        await engine.close()

    assert outcomes == [Outcome.CLEAN, Outcome.ERROR, Outcome.ERROR, Outcome.CLEAN]


class RealBench:
    """A real c-icap for each condition that a real one can be in."""

    impossible: ClassVar[dict[Condition, str]] = dict.fromkeys(
        (
            Condition.MACRO,
            Condition.GARBAGE,
            Condition.EMPTY,
            Condition.SPLIT,
            Condition.NAME_EIGHT_BIT,
            Condition.NAME_LONG,
            Condition.NAME_CONTROL,
        ),
        "a real c-icap does not do it when it is told to",
    )
    messages: ClassVar[dict[Condition, bytes]] = {
        Condition.INFECTED: plain(EICAR),
        Condition.ENCRYPTED: with_attachment(locked(zipped(("a", b"x" * 100)))),
        Condition.LIMITS: with_attachment(nested(8)),
        Condition.TOO_LARGE: plain(b"x" * (2 * OBJECT_BYTES_MAX)),
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()  # keeps a descriptor

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        begun = asyncio.Event()
        sample = watched(self.messages.get(condition, plain(b"x" * 2_000)), begun, offset=1)
        if condition is Condition.REFUSED:
            engine = engine_at(f"127.0.0.1:{self._port}")
            yield Arranged(engine=engine, sample=sample, reached=begun.wait)
            return
        with Clamd(self._folder, *SETTINGS) as clamd, CIcap(clamd, port=self._port) as server:
            arranged = Arranged(engine=engine_at(server.address), sample=sample, reached=begun.wait)
            match condition:
                case Condition.SILENT:
                    clamd.freeze()
                case Condition.DIES | Condition.ERROR:
                    await arranged.engine.probe()  # before the first question it knows no clamd
                    clamd.kill()
                case _:
                    pass
            yield arranged
            if condition is Condition.SILENT:
                clamd.thaw()

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_with_a_real_c_icap_the_engine_passes_the_suite(
    check: ConformanceCheck, tmp_path: Path
) -> None:
    try:
        await check.run(RealBench(tmp_path))
    except NotApplicable as reason:
        pytest.skip(str(reason))
