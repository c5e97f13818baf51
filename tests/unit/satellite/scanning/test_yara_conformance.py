"""The YARA engine passes the suite of engines; its peer is the helper process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest
import uvloop

import tests.support.scanning.scripted_helper as scripted_helper
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
from satellite.scanning.engines import yara
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import (
    MACRO_DOCUMENT,
    locked,
    numbered_sample,
    plain,
    sample_of,
    with_attachment,
    zipped,
)

MODES: dict[Condition, str] = {
    Condition.REFUSED: "no-start",
    Condition.DIES: "dies",
    Condition.EMPTY: "empty",
    Condition.SILENT: "silent",
    Condition.GARBAGE: "garbage",
    Condition.SPLIT: "split",
    Condition.NAME_EIGHT_BIT: "eight-bit",
    Condition.NAME_LONG: "long",
    Condition.NAME_CONTROL: "control",
}

SAMPLES: dict[Condition, bytes] = {
    Condition.INFECTED: plain(EICAR),
    Condition.ENCRYPTED: with_attachment(locked(zipped(("a.txt", b"secret")))),
    Condition.MACRO: with_attachment(MACRO_DOCUMENT),
    Condition.LIMITS: with_attachment(zipped(("zeros", bytes(70 * 1024 * 1024)))),
}


class YaraBench:
    impossible: ClassVar[dict[Condition, str]] = {
        Condition.TOO_LARGE: "the helper takes what a worker takes",
        Condition.ERROR: "a rule matches or does not",
    }

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        clock = SystemClock()
        helper = Helper(clock=clock)
        if condition in MODES:
            script = str(Path(scripted_helper.__file__))
            helper = Helper(clock=clock, command=(sys.executable, script, MODES[condition]))
        engine = yara.build(
            EngineSettings(name="yara", kind="yara"), EngineContext(clock=clock, helper=helper)
        )

        async def reached() -> None:
            async with asyncio.timeout(30):
                while helper.pid is None:  # it gets the message in the turn in which it is there
                    await asyncio.sleep(0.01)

        sample = sample_of(SAMPLES.get(condition, plain(b"nothing bad")))
        try:
            yield Arranged(engine=engine, sample=sample, reached=reached)
        finally:
            await helper.close()

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_the_yara_engine_passes(check: ConformanceCheck) -> None:
    try:
        await check.run(YaraBench())
    except NotApplicable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_it_passes_on_the_event_loop_of_production_too(check: ConformanceCheck) -> None:
    try:
        uvloop.run(check.run(YaraBench()))
    except NotApplicable as reason:
        pytest.skip(str(reason))
