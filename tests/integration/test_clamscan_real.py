"""The command engine with a real program: Debian's clamscan, by a profile of an operator's own.

Its database is made by hand: one signature. What it says of locked and of deep archives it says by
itself.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

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
from satellite.scanning.engines.command import build
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.scanning.clamd import EICAR, SIGNATURE_NAME
from tests.support.scanning.messages import (
    file_sample,
    locked,
    numbered_sample,
    plain,
    sample_of,
    with_attachment,
    zipped,
)
from tests.support.scanning.scripted_program import all_vanish, appears, program

CLAMSCAN = shutil.which("clamscan")

pytestmark = [
    pytest.mark.skipif(CLAMSCAN is None, reason="clamscan is not installed (Debian's clamav)"),
]

DEADLINE_S = 60.0
LOCKED = with_attachment(locked(zipped(("a.txt", b"x" * 100))))


def nested(depth: int) -> bytes:
    content = b"harmless"
    for level in range(depth):
        content = zipped((f"{level}.zip", content))
    return content


def own_profile(database: Path, program_: str) -> dict[str, Any]:
    """Return what an operator writes for clamscan; docs/engines.md shows the same."""
    return {
        "programs": [program_],
        "arguments": [
            f"--database={database}",
            "--alert-exceeds-max=yes",
            "--alert-encrypted=yes",
            "--max-recursion=4",
            "--stdout",
            "{sample}",
        ],
        "exit_codes": {"clean": [0], "found": [1]},
        "threats": ["(?m)^.*: (.+) FOUND$"],
        "no_threats": "^Heuristics\\.(Limits|Encrypted)",
        "limits": ["Heuristics\\.Limits\\.Exceeded.* FOUND"],
        "encrypted": ["Heuristics\\.Encrypted.* FOUND"],
        "clean": "(?m)^Infected files: 0$",
        "version": {"arguments": ["--version"], "says": "^ClamAV ([0-9.]+(?:/[0-9]+)?)"},
    }


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("database")
    (folder / "test.ndb").write_text(f"Eicar-Test-Signature:0:*:{EICAR.hex()}\n")
    return folder


def engine_with(database: Path, folder: Path, program_: str) -> Engine:
    clock = SystemClock()
    return build(
        EngineSettings(
            name="clamscan",
            kind="command",
            options={"own": own_profile(database, program_), "folder": str(folder)},
        ),
        EngineContext(clock=clock, helper=Helper(clock=clock)),
    )


@pytest.fixture
async def engine(database: Path, tmp_path: Path) -> AsyncIterator[Engine]:
    engine = engine_with(database, tmp_path, str(CLAMSCAN))
    yield engine
    await engine.close()
    await all_vanish(tmp_path, "borderscout-scan-*")


MESSAGES = [
    ("clean", plain(b"hello"), Outcome.CLEAN, ()),
    ("plain", plain(EICAR), Outcome.INFECTED, (SIGNATURE_NAME,)),
    ("base64", with_attachment(EICAR), Outcome.INFECTED, (SIGNATURE_NAME,)),
    ("zip", with_attachment(zipped(("a.txt", EICAR))), Outcome.INFECTED, (SIGNATURE_NAME,)),
    ("locked", LOCKED, Outcome.ENCRYPTED, ()),
    ("deep", with_attachment(nested(8)), Outcome.LIMITS, ()),
    ("locked, and more", with_attachment(LOCKED, EICAR), Outcome.INFECTED, (SIGNATURE_NAME,)),
]


@pytest.mark.parametrize(("name", "message", "outcome", "threats"), MESSAGES)
async def test_a_real_clamscan_says(
    engine: Engine, name: str, message: bytes, outcome: Outcome, threats: tuple[str, ...]
) -> None:
    verdict = await engine.scan(sample_of(message), deadline_s=DEADLINE_S)

    assert (verdict.outcome, verdict.threats) == (outcome, threats), verdict
    assert verdict.definitions.startswith("1.")


async def test_a_large_message_in_a_file_is_scanned_and_stays(
    engine: Engine, tmp_path: Path
) -> None:
    sample = file_sample(tmp_path / "body", plain(b"x" * 500_000 + EICAR))

    assert (await engine.scan(sample, deadline_s=DEADLINE_S)).outcome is Outcome.INFECTED
    assert (tmp_path / "body").stat().st_size == sample.size


async def test_without_a_database_clamscan_says_nothing_of_a_message(tmp_path: Path) -> None:
    engine = engine_with(tmp_path / "nowhere", tmp_path, str(CLAMSCAN))

    verdict = await engine.scan(sample_of(plain(b"hello")), deadline_s=DEADLINE_S)
    await engine.close()

    assert verdict.outcome is Outcome.ERROR
    assert verdict.detail.startswith("exit code 2")


async def test_a_probe_tells_its_version(engine: Engine) -> None:
    health = await engine.probe()

    assert health.answering
    assert health.definitions.startswith("1.")


class ClamscanBench:
    """A real clamscan for each condition that it can be in when it is told to."""

    impossible: ClassVar[dict[Condition, str]] = dict.fromkeys(
        (
            Condition.MACRO,
            Condition.TOO_LARGE,
            Condition.GARBAGE,
            Condition.EMPTY,
            Condition.SPLIT,
            Condition.NAME_EIGHT_BIT,
            Condition.NAME_LONG,
            Condition.NAME_CONTROL,
        ),
        "a real clamscan does not do it when it is told to",
    )

    messages: ClassVar[dict[Condition, bytes]] = {
        Condition.INFECTED: plain(EICAR),
        Condition.ENCRYPTED: LOCKED,
        Condition.LIMITS: with_attachment(nested(8)),
    }

    def __init__(self, folder: Path, database: Path) -> None:
        self._folder = folder
        self._database = database

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        reached = self._folder / "reached"
        reached.unlink(missing_ok=True)
        database = self._database
        if condition is Condition.ERROR:
            database = self._folder / "nowhere"
        engine = engine_with(database, self._folder, self._program(condition, reached))

        async def is_reached() -> None:
            await appears(reached)

        sample = sample_of(self.messages.get(condition, plain(b"hello")))
        yield Arranged(engine=engine, sample=sample, reached=is_reached)
        await all_vanish(self._folder, "borderscout-scan-*")

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)

    def _program(self, condition: Condition, reached: Path) -> str:
        assert CLAMSCAN is not None
        stopped = f'case "$*" in *message.eml) : > {reached}; '
        match condition:
            case Condition.REFUSED:
                return str(self._folder / "nowhere")
            case Condition.SILENT:
                stopped += f'{CLAMSCAN} "$@" & kill -STOP $! ; wait;; esac'
            case Condition.DIES:
                stopped += f'{CLAMSCAN} "$@" & kill -KILL $!; wait $!; kill -KILL $$;; esac'
            case _:
                return CLAMSCAN
        path = program(self._folder / "clamscan", stopped, f'exec {CLAMSCAN} "$@"')
        return str(path)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_with_a_real_clamscan_the_engine_passes_the_suite(
    check: ConformanceCheck, tmp_path: Path, database: Path
) -> None:
    try:
        await check.run(ClamscanBench(tmp_path, database))
    except NotApplicable as reason:
        pytest.skip(str(reason))


async def test_messages_at_once_do_not_mix_up_their_answers(engine: Engine) -> None:
    verdicts = await asyncio.gather(
        *(
            engine.scan(numbered_sample(n, infected=n % 3 == 0), deadline_s=DEADLINE_S)
            for n in range(12)
        )
    )

    assert [v.outcome is Outcome.INFECTED for v in verdicts] == [n % 3 == 0 for n in range(12)]
