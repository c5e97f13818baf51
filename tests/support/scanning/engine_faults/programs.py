"""What stands behind the engines that start programs, in each fault.

Touches processes: a scanner that is a script, and our reader's helper.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar
from unittest.mock import patch

from pydantic import JsonValue

import tests.support.scanning.scripted_helper as scripted_helper
from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from satellite.scanning import helper as helper_room
from satellite.scanning.engine import Fitted
from satellite.scanning.helper import Helper
from tests.support.scanning.engine_faults import LONG_S, SHORT_S, Fault, Make, made, timeout_s
from tests.support.scanning.scripted_program import all_vanish, program, saying

_OWN: dict[str, JsonValue] = {
    "arguments": ["{sample}"],
    "exit_codes": {"clean": [0], "infected": [1]},
    "threats": ["found: ?(.*)"],
    "unavailable": ["licence has expired", "definitions are being loaded"],
    "clean": "^scanned: 1$",
}


class CommandBench:
    """The kind ``command``."""

    engine = "command"
    impossible: ClassVar[Mapping[Fault, str]] = {
        Fault.MAIL_SERVER: "it has no port",
        Fault.STALE: "it does not say how old they are",
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "command"
        self._folder.mkdir()
        self._path = self._folder / "scanner"

    @asynccontextmanager
    async def arrange(self, fault: Fault | None) -> AsyncIterator[Make]:
        self._path.unlink(missing_ok=True)
        if fault is not Fault.ABSENT:
            program(self._path, *self._script(fault))
        options: dict[str, JsonValue] = {
            "own": {"programs": [str(self._path)], **_OWN},
            "folder": str(self._folder),
        }
        yield lambda name: made(
            EngineSettings(name=name, kind="command", timeout_s=timeout_s(fault), options=options)
        )
        await all_vanish(self._folder, "borderscout-scan-*")

    def _script(self, fault: Fault | None) -> tuple[str, ...]:
        match fault:
            case Fault.KILLED:
                return ("echo 'scanned: 1'", "kill -9 $$")
            case Fault.BEHIND:
                return self._saying(b"cannot connect to the daemon\n", code=4)
            case Fault.HUNG:
                return ("sleep 600",)
            case Fault.SLOW:
                return ("printf 'scan'", f"sleep {4 * SHORT_S:.0f}", "echo 'ned: 1'")
            case Fault.HALF:
                return ("printf 'scan'",)
            case Fault.EMPTY:
                return ("exit 0",)
            case Fault.GARBAGE:
                return self._saying(b"\xff\xfe\0 nonsense", code=0)
            case Fault.LICENCE:
                return self._saying(b"Error: licence has expired\n", code=100)
            case Fault.RELOADING:
                return self._saying(b"the definitions are being loaded\n", code=100)
            case Fault.WEB_SERVER:
                return ("exec /bin/true",)
            case _:
                return ("echo 'found: Eicar'", "exit 1")

    def _saying(self, said: bytes, *, code: int) -> tuple[str, ...]:
        return saying(said, code=code, folder=self._folder / "said")


_MODES = {
    Fault.ABSENT: "no-start",
    Fault.KILLED: "dies",
    Fault.HUNG: "silent",
    Fault.SLOW: "slow",
    Fault.HALF: "half",
    Fault.GARBAGE: "garbage",
    Fault.RELOADING: "failed",
}


class YaraBench:
    """The kind ``yara``: its helper process follows a script."""

    engine = "yara"
    impossible: ClassVar[Mapping[Fault, str]] = {
        Fault.BEHIND: "it asks nobody",
        Fault.EMPTY: "as killed",
        Fault.LICENCE: "it needs none",
        Fault.WEB_SERVER: "it has no port",
        Fault.MAIL_SERVER: "it has no port",
        Fault.STALE: "they come with it",
    }

    @asynccontextmanager
    async def arrange(self, fault: Fault | None) -> AsyncIterator[Make]:
        helpers: list[Helper] = []

        def make(name: str) -> Fitted:
            clock = SystemClock()
            helpers.append(
                Helper(clock=clock)
                if fault is None
                else Helper(clock=clock, command=(sys.executable, _SCRIPT, _MODES[fault]))
            )
            # It has no other silence than its helper's, which is ended for it.
            settings = EngineSettings(name=name, kind="yara", timeout_s=LONG_S)
            return made(settings, helpers[-1])

        with patch.object(helper_room, "IDLE_S", SHORT_S):
            yield make
            for helper in helpers:
                await helper.close()


_SCRIPT = str(Path(scripted_helper.__file__))
