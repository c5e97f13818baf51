"""The clamd engine against a real clamd."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from common.clock import SystemClock
from common.verdict import Outcome
from satellite.scanning.clamd.control import ClamdControl
from satellite.scanning.conformance import (
    CHECKS,
    Arranged,
    Condition,
    ConformanceCheck,
    NotApplicable,
)
from satellite.scanning.engines.clamav import Clamav
from satellite.scanning.sample import Sample
from tests.support.network.ports import free_port
from tests.support.scanning.clamd import EICAR, SIGNATURE_NAME, Clamd, clamd_binary
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
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

DEADLINE_S = 60.0
STREAM_BYTES_MAX = 1024 * 1024
SETTINGS = ("StreamMaxLength 1M", "MaxFileSize 2M", "MaxRecursion 4", "MaxFiles 50")


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    port = free_port()
    with Clamd(tmp_path_factory.mktemp("clamd"), *SETTINGS, port=port) as running:
        yield running


@pytest.fixture
async def engine(clamd: Clamd) -> AsyncIterator[Clamav]:
    engine = engine_at(clamd.address)
    yield engine
    await engine.close()


def engine_at(*addresses: str, takes_descriptors: bool = True) -> Clamav:
    return Clamav(
        "clamav",
        addresses,
        clock=SystemClock(),
        sessions_max=8,
        takes_descriptors=takes_descriptors,
    )


def nested(depth: int) -> bytes:
    content = b"harmless"
    for level in range(depth):
        content = zipped((f"{level}.zip", content))
    return content


MESSAGES = [
    ("clean", plain(b"hello"), Outcome.CLEAN),
    ("empty", b"", Outcome.CLEAN),
    ("plain", plain(EICAR), Outcome.INFECTED),
    ("base64", with_attachment(EICAR), Outcome.INFECTED),
    ("zip", with_attachment(zipped(("a.txt", EICAR))), Outcome.INFECTED),
    ("zip in zip", with_attachment(zipped(("a.zip", zipped(("b.txt", EICAR))))), Outcome.INFECTED),
    ("locked", with_attachment(locked(zipped(("a.txt", b"x" * 100)))), Outcome.ENCRYPTED),
    ("deep", with_attachment(nested(8)), Outcome.LIMITS),
    ("many", with_attachment(zipped(*((f"{n}", b"%d" % n) for n in range(60)))), Outcome.LIMITS),
    ("long", plain(b"x" * (2 * STREAM_BYTES_MAX)), Outcome.LIMITS),
    ("very long", plain(b"x" * (30 * STREAM_BYTES_MAX)), Outcome.LIMITS),
    ("nearly too long", plain(b"x" * (STREAM_BYTES_MAX - 1000)), Outcome.CLEAN),
]


@pytest.mark.parametrize(("name", "message", "outcome"), MESSAGES, ids=[m[0] for m in MESSAGES])
async def test_a_real_clamd_says(
    engine: Clamav, name: str, message: bytes, outcome: Outcome
) -> None:
    verdict = await engine.scan(sample_of(message), deadline_s=DEADLINE_S)

    assert verdict.outcome is outcome
    assert verdict.version.startswith("1.")
    if outcome is Outcome.INFECTED:
        assert verdict.threats == (SIGNATURE_NAME,)


async def test_the_same_over_tcp(clamd: Clamd) -> None:
    engine = engine_at(f"127.0.0.1:{clamd.port}")
    outcomes = [
        (await engine.scan(sample_of(message), deadline_s=DEADLINE_S)).outcome
        for _, message, _ in MESSAGES
    ]
    await engine.close()

    assert outcomes == [outcome for _, _, outcome in MESSAGES]


async def test_a_body_in_a_file_is_scanned(engine: Clamav, tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", plain(b"x" * 500_000 + EICAR))

    assert (await engine.scan(sample, deadline_s=DEADLINE_S)).outcome is Outcome.INFECTED


@pytest.mark.parametrize("is_streamed", [False, True], ids=["open file", "streamed"])
@pytest.mark.parametrize("where", ["memory", "file"])
async def test_a_large_message_is_the_same_as_an_open_file_and_streamed(
    clamd: Clamd, tmp_path: Path, where: str, is_streamed: bool
) -> None:
    """The file is for nobody else to read: clamd needs no permission for what it is given."""
    engine = engine_at(clamd.address, takes_descriptors=not is_streamed)
    outcomes = []
    for number, end in enumerate((b"harmless", EICAR, b"harmless", EICAR)):
        message = plain(b"x" * 300_000 + end)
        path = tmp_path / f"{number}"
        sample = file_sample(path, message) if where == "file" else sample_of(message)
        if where == "file":
            path.chmod(0o400)
        verdict = await engine.scan(sample, deadline_s=DEADLINE_S)
        outcomes.append((verdict.outcome, verdict.attempt))
    await engine.close()

    assert outcomes == [(Outcome.CLEAN, 1), (Outcome.INFECTED, 1)] * 2


async def test_messages_at_once_do_not_mix_up_their_answers(engine: Clamav) -> None:
    verdicts = await asyncio.gather(
        *(
            engine.scan(numbered_sample(n, infected=n % 3 == 0), deadline_s=DEADLINE_S)
            for n in range(200)
        )
    )

    assert [v.outcome is Outcome.INFECTED for v in verdicts] == [n % 3 == 0 for n in range(200)]


async def test_pyclamd_controls_it(clamd: Clamd) -> None:
    for address in (clamd.address, f"127.0.0.1:{clamd.port}"):
        control = ClamdControl(address)
        stats = await control.stats()

        assert await control.ping()
        assert (await control.version() or "").startswith("ClamAV 1.")
        assert stats is not None
        assert stats.threads is not None
        assert await control.reload()


async def test_a_probe_tells_version_and_load(engine: Clamav) -> None:
    health = await engine.probe()

    assert health.answering
    assert health.version.startswith("1.")
    assert health.detail.startswith("threads ")


class RealBench:
    """A real clamd for each condition that a real clamd can be in."""

    impossible: ClassVar[dict[Condition, str]] = dict.fromkeys(
        (
            Condition.MACRO,
            Condition.ERROR,
            Condition.GARBAGE,
            Condition.EMPTY,
            Condition.SPLIT,
            Condition.NAME_EIGHT_BIT,
            Condition.NAME_LONG,
            Condition.NAME_CONTROL,
        ),
        "a real clamd does not do it when it is told to",
    )
    messages: ClassVar[dict[Condition, bytes]] = {
        Condition.INFECTED: plain(EICAR),
        Condition.ENCRYPTED: with_attachment(locked(zipped(("a", b"x" * 100)))),
        Condition.LIMITS: with_attachment(nested(8)),
        Condition.TOO_LARGE: plain(b"x" * (5 * STREAM_BYTES_MAX)),
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        clamd = Clamd(self._folder, *SETTINGS)
        # Streamed where it is to die in the middle: it has an open file whole at once.
        engine = engine_at(clamd.address, takes_descriptors=condition is not Condition.DIES)
        sample = sample_of(self.messages.get(condition, plain(b"hello")))

        async def reached() -> None:
            for _ in range(20):
                await asyncio.sleep(0)  # it is in the socket's buffer: clamd is stopped

        if condition is Condition.REFUSED:
            yield Arranged(engine=engine, sample=sample, reached=reached)
            return
        with clamd:
            if condition is Condition.SILENT:
                clamd.freeze()
            if condition is not Condition.DIES:
                yield Arranged(engine=engine, sample=sample, reached=reached)
                return
            begun = asyncio.Event()
            death = asyncio.create_task(self._kill_after(begun, clamd))
            sample = watched(plain(b"x" * 900_000), begun, offset=1)
            yield Arranged(engine=engine, sample=sample, reached=begun.wait)
            await death

    @staticmethod
    async def _kill_after(begun: asyncio.Event, clamd: Clamd) -> None:
        await begun.wait()  # it has the first chunk, and the others are to come
        clamd.kill()

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_with_a_real_clamd_the_engine_passes_the_suite(
    check: ConformanceCheck, tmp_path: Path
) -> None:
    try:
        await check.run(RealBench(tmp_path))
    except NotApplicable as reason:
        pytest.skip(str(reason))
