"""How is one program of the lab started, kept running and ended?

Touches processes and their logs. As the service manager of a real machine does, it starts a program
again that has died, after a rest; one whose settings are wrong stays down.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import EnvironmentFailure
from common.exit_status import WRONG_SETTINGS
from inventory.lab.entering import entering_command, environment
from inventory.lab.topology import Machine

REST_S = 2.0  # as RestartSec of the rendered units
END_S = 25.0
POLL_S = 0.1
LAST_WORDS_OCTETS = 4_000

Changed = Callable[[], None]


@dataclass(slots=True, kw_only=True)
class LabService:
    """One program on one machine.

    Args:
        holder: the process that holds the machine's namespaces.
        not_ready: asked again and again once it runs: why it is not, empty when it is.
        changed: is called when something happened to it.
    """

    machine: Machine
    name: str
    command: Sequence[str]
    holder: int
    log: Path
    not_ready: Callable[[], str]
    changed: Changed
    restarts: int = 0
    ended: str = ""
    _process: asyncio.subprocess.Process | None = None
    _keeper: asyncio.Task[None] | None = field(default=None)
    _is_ending: bool = False

    @property
    def key(self) -> str:
        """How it is called in the lab: the machine, and its program there."""
        return f"{self.machine.name}/{self.name}"

    async def start(self) -> None:
        """Start it, and keep it running from now on."""
        await self._begin()
        self._keeper = asyncio.create_task(self._keep(), name=self.key)

    async def ready(self, deadline_s: float) -> None:
        """Return when it is ready.

        Raises:
            EnvironmentFailure: it has ended, or is not ready by then; says where its log is.
        """
        end_s = time.monotonic() + deadline_s
        while why := await asyncio.to_thread(self.not_ready):
            if self.ended or self.restarts:
                raise self._failure(f"ended {self.ended or 'and was started again'}")
            if time.monotonic() > end_s:
                raise self._failure(f"is not ready after {deadline_s:.0f} s: {why}")
            await asyncio.sleep(POLL_S)

    def reload(self) -> None:
        """Have it read its files again."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)

    async def end(self) -> None:
        """Stop it; SIGKILL when it does not listen."""
        self._is_ending = True
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_S)
            if process.returncode is None:
                process.kill()
                await process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper

    def as_json(self) -> dict[str, Any]:
        """Return what is said of it to those outside."""
        process = self._process
        is_alive = process is not None and process.returncode is None
        return {
            "machine": self.machine.name,
            "program": self.name,
            "process": process.pid if process is not None and is_alive else None,
            "restarts": self.restarts,
            "ended": self.ended,
            "log": str(self.log),
        }

    async def _begin(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *entering_command(self.holder, self.command, is_in_lab=True),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                cwd="/",
            )
        self.ended = ""
        self.changed()

    async def _keep(self) -> None:
        while True:
            assert self._process is not None
            status = await self._process.wait()
            if self._is_ending:
                return
            self.ended = f"with status {status}" if status >= 0 else f"by signal {-status}"
            self.changed()
            if status == WRONG_SETTINGS:
                return
            await asyncio.sleep(REST_S)
            self.restarts += 1
            await self._begin()

    def _failure(self, what: str) -> EnvironmentFailure:
        last = last_line(self.log)
        said = f"it said last: {last}; " if last else ""
        return EnvironmentFailure(
            f"{self.machine.name}: {self.name} {what}", hint=f"{said}its log is {self.log}"
        )


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, empty where none does."""
    with log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_WORDS_OCTETS))
        said = file.read().decode("utf-8", "replace").split("\n")
    return next((line for line in reversed(said) if line.strip()), "")
