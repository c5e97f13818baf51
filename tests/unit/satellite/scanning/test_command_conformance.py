"""The command engine passes the suite of engines, against a program that follows a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
import uvloop

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from satellite.scanning.conformance import CHECKS, Arranged, Condition, ConformanceCheck
from satellite.scanning.engine import EngineContext
from satellite.scanning.engines import command
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from tests.support.scanning.messages import numbered_sample, plain, sample_of
from tests.support.scanning.scripted_program import all_vanish, appears, program, saying

ENDS: dict[Condition, tuple[bytes, int]] = {
    Condition.CLEAN: (b"scanned: 1\n", 0),
    Condition.INFECTED: (b"found: Eicar-Test-Signature\n", 1),
    Condition.ENCRYPTED: (b"scanned: 1\n", 11),
    Condition.MACRO: (b"scanned: 1\n", 12),
    Condition.LIMITS: (b"scanned: 1\n", 10),
    Condition.TOO_LARGE: (b"too large\n", 10),
    Condition.ERROR: (b"scanned: 1\n", 2),
    Condition.GARBAGE: (b"\xff\xfe\0 nonsense", 0),
    Condition.EMPTY: (b"", 0),
    Condition.NAME_EIGHT_BIT: (b"found: W\xfcrm.\xe9\n", 1),
    Condition.NAME_LONG: (b"found: " + b"N" * 10_000 + b"\n", 1),
    Condition.NAME_CONTROL: (b"found: Evil\r\nX-Injected: yes\x1b[2J\x07\n", 1),
}
BY_CONTENT = (
    'grep -q -F EICAR-STANDARD "$1" && echo "found: Eicar" && exit 1',
    'echo "scanned: 1"',
)
SPLIT = (
    "for letter in f o u n d : E i c a r; do printf $letter; done",
    "exit 1",
)


class CommandBench:
    impossible: ClassVar[dict[Condition, str]] = {}

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        path, reached = self._folder / "scanner", self._folder / "reached"
        path.unlink(missing_ok=True)
        reached.unlink(missing_ok=True)
        if condition is not Condition.REFUSED:
            program(path, f": > {reached}", *self._script(condition))
        yield Arranged(
            engine=self._engine(path),
            sample=sample_of(plain(b"x" * 100)),
            reached=partial(appears, reached),
        )
        await all_vanish(self._folder, "borderscout-scan-*")

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)

    def _script(self, condition: Condition) -> tuple[str, ...]:
        match condition:
            case Condition.SILENT:
                return ("sleep 600",)
            case Condition.DIES:
                return ("echo 'scanned: 1'", "kill -9 $$")
            case Condition.SPLIT:
                return SPLIT
            case Condition.BY_CONTENT:
                return BY_CONTENT
            case _:
                said, code = ENDS[condition]
                return saying(said, code=code, folder=self._folder / "said")

    def _engine(self, path: Path) -> command.Command:
        clock = SystemClock()
        engine = command.build(
            EngineSettings(
                name="program",
                kind="command",
                options={
                    "own": {
                        "programs": [str(path)],
                        "arguments": ["{sample}"],
                        "exit_codes": {
                            "clean": [0],
                            "infected": [1],
                            "limits": [10],
                            "encrypted": [11],
                            "macro": [12],
                        },
                        "threats": ["found: ?(.*)"],
                        "clean": "scanned: 1",
                    },
                    "folder": str(self._folder),
                },
            ),
            EngineContext(clock=clock, helper=Helper(clock=clock)),
        )
        assert isinstance(engine, command.Command)
        return engine


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_the_command_engine_passes(check: ConformanceCheck, tmp_path: Path) -> None:
    await check.run(CommandBench(tmp_path))


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_it_passes_on_the_event_loop_of_production_too(
    check: ConformanceCheck, tmp_path: Path
) -> None:
    uvloop.run(check.run(CommandBench(tmp_path)))
