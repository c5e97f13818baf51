"""The engine of Trend Vision One File Security passes the suite of engines, against a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import grpc
import pytest
import uvloop

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from satellite.scanning.conformance import (
    CHECKS,
    Arranged,
    Condition,
    ConformanceCheck,
    NotApplicable,
)
from satellite.scanning.engine import EngineContext
from satellite.scanning.engines import trend_v1fs
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.network.ports import free_port
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import numbered_sample, plain, sample_of
from tests.support.scanning.scripted_file_security import (
    Hang,
    Refuse,
    ScriptedFileSecurity,
    verbose,
)

SAYS: dict[Condition, str] = {
    Condition.CLEAN: verbose(),
    Condition.INFECTED: verbose("Eicar_test_file"),
    Condition.ENCRYPTED: verbose(error="ATSE_FILE_ENCRYPTED"),
    Condition.LIMITS: verbose(error="ATSE_ZIP_RATIO_ERR"),
    Condition.GARBAGE: "\ufffd OK OK {",
    Condition.EMPTY: "",
    Condition.NAME_EIGHT_BIT: verbose("W\xfcrm.\xe9"),
    Condition.NAME_LONG: verbose("N" * 10_000),
    Condition.NAME_CONTROL: verbose("Evil\r\nX-Injected: yes\x1b[2J\x07"),
}
REFUSES: dict[Condition, tuple[grpc.StatusCode, str]] = {
    Condition.ERROR: (grpc.StatusCode.INTERNAL, "Internal error. Try again later."),
    Condition.TOO_LARGE: (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "file size 5 is over maximum allowed size 1",
    ),
    Condition.DIES: (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
}


def script_of(condition: Condition) -> Callable[[bytes], str]:
    def script(content: bytes) -> str:
        if condition is Condition.SILENT:
            raise Hang
        if condition in REFUSES:
            raise Refuse(*REFUSES[condition])
        if condition is Condition.BY_CONTENT:
            return SAYS[Condition.INFECTED if EICAR in content else Condition.CLEAN]
        return SAYS[condition]

    return script


class FileSecurityBench:
    impossible: ClassVar[dict[Condition, str]] = {
        Condition.MACRO: "it does not tell macros apart",
        Condition.SPLIT: "gRPC gives whole messages or none",
    }

    def __init__(self) -> None:
        self._port = free_port()  # keeps a descriptor

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        clock = SystemClock()
        engine = trend_v1fs.build(
            EngineSettings(
                name="trend",
                kind="trend-v1fs",
                address=f"127.0.0.1:{self._port}",
                options={"tls": False},
            ),
            EngineContext(clock=clock, helper=Helper(clock=clock)),
        )
        if condition is Condition.REFUSED:
            yield Arranged(engine=engine, sample=sample_of(plain(b"x")), reached=_never)
            return
        async with ScriptedFileSecurity(script_of(condition), port=self._port) as peer:
            sample = sample_of(plain(b"x" * 1000))
            yield Arranged(engine=engine, sample=sample, reached=peer.received.wait)

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)


async def _never() -> None:
    raise AssertionError("nobody is there")


async def passes(check: ConformanceCheck) -> None:
    try:
        await check.run(FileSecurityBench())
    except NotApplicable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_the_engine_passes(check: ConformanceCheck) -> None:
    await passes(check)


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_it_passes_on_the_event_loop_of_production_too(check: ConformanceCheck) -> None:
    uvloop.run(passes(check))
