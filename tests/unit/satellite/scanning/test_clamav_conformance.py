"""The clamd engine passes the suite of engines, against a clamd that follows a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import uvloop

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from satellite.scanning.conformance import CHECKS, Arranged, Condition, ConformanceCheck
from satellite.scanning.engine import EngineContext
from satellite.scanning.engines import clamav
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import numbered_sample, plain, sample_of
from tests.support.scanning.scripted_clamd import Close, Hang, ScriptedClamd

SAYS: dict[Condition, bytes] = {
    Condition.CLEAN: b"stream: OK",
    Condition.INFECTED: b"stream: Eicar-Test-Signature FOUND",
    Condition.ENCRYPTED: b"stream: Heuristics.Encrypted.Zip FOUND",
    Condition.MACRO: b"stream: Heuristics.OLE2.ContainsMacros.VBA FOUND",
    Condition.LIMITS: b"stream: Heuristics.Limits.Exceeded.MaxRecursion FOUND",
    Condition.ERROR: b"stream: Can't allocate memory ERROR",
    Condition.GARBAGE: b"\xff\xfe OK OK stream: OK OK",
    Condition.EMPTY: b"",
    Condition.SPLIT: b"stream: Eicar-Test-Signature FOUND",
    Condition.NAME_EIGHT_BIT: b"stream: W\xfcrm.\xe9 FOUND",
    Condition.NAME_LONG: b"stream: " + b"N" * 10_000 + b" FOUND",
    Condition.NAME_CONTROL: b"stream: Evil\r\nX-Injected: yes\x1b[2J\x07 FOUND",
}


def _hang(_: bytes) -> bytes:
    raise Hang


def _close(_: bytes) -> bytes:
    raise Close


def _by_content(content: bytes) -> bytes:
    return SAYS[Condition.INFECTED] if EICAR in content else SAYS[Condition.CLEAN]


def script_of(condition: Condition) -> Callable[[bytes], bytes]:
    match condition:
        case Condition.SILENT:
            return _hang
        case Condition.DIES | Condition.TOO_LARGE | Condition.REFUSED:
            return _close
        case Condition.BY_CONTENT:
            return _by_content
        case _:
            return lambda _: SAYS[condition]


class ClamavBench:
    impossible: ClassVar[dict[Condition, str]] = {}

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        path = self._folder / "clamd.sock"
        clock = SystemClock()
        engine = clamav.build(
            EngineSettings(name="clamav", kind="clamd", address=f"unix:{path}"),
            EngineContext(clock=clock, helper=Helper(clock=clock)),
        )
        too_large = condition is Condition.TOO_LARGE
        peer = ScriptedClamd(
            path,
            script_of(condition),
            piece_bytes=1 if condition is Condition.SPLIT else 0,
            read_bytes_max=100_000 if too_large else None,
        )

        async def reached() -> None:
            await peer.received.wait()

        sample = sample_of(plain(b"x" * (5_000_000 if too_large else 100)))
        arranged = Arranged(engine=engine, sample=sample, reached=reached)
        if condition is Condition.REFUSED:
            yield arranged
        else:
            async with peer:
                yield arranged

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_the_clamd_engine_passes(check: ConformanceCheck, tmp_path: Path) -> None:
    await check.run(ClamavBench(tmp_path))


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_it_passes_on_the_event_loop_of_production_too(
    check: ConformanceCheck, tmp_path: Path
) -> None:
    uvloop.run(check.run(ClamavBench(tmp_path)))
