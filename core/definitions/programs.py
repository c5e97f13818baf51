"""How does the core run a program of somebody else's, and end it with all that it began?

Touches processes. No shell, no descriptor of ours, a fixed locale, limits of memory and processor
time, and what is printed is kept up to a bound. The program leads a process group, which is killed
as one.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from common.errors import EnvironmentFailure

PRINTED_BYTES_MAX = 262_144  # kept of what a program prints: the last of it
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # where daemons are, too

_BOUNDED = Path(__file__).with_name("bounded.py")
_OUR_CODE = str(Path(__file__).resolve().parents[2])


class ProgramMissing(EnvironmentFailure):
    """A program that is needed is not installed."""


def program_path(name: str) -> str:
    """Return where a program is.

    Raises:
        ProgramMissing: nowhere.
    """
    found = shutil.which(name) or shutil.which(name, path=SEARCHED)
    if found is None:
        raise ProgramMissing(f"{name} is not installed", hint=f"install it, or say where {name} is")
    return found


class BoundedProgram:
    """One run of a program.

    Args:
        command: the program's path, and its arguments.
        memory_bytes: of address space.
        cpu_s: of processor time.
        environment: beside the fixed one.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        memory_bytes: int,
        cpu_s: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._limits = {"RLIMIT_AS": memory_bytes, "RLIMIT_CPU": cpu_s, "RLIMIT_CORE": 0}
        self._environment = {"LC_ALL": "C", "PATH": SEARCHED, **(environment or {})}
        self._process: Process | None = None
        self._printed = bytearray()
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin.

        Raises:
            OSError: no process can be had.
        """
        order = {
            "path": _OUR_CODE,
            "parent": os.getpid(),
            "limits": self._limits,
            "command": self._command,
            "environment": self._environment,
        }
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_BOUNDED), json.dumps(order)),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        self._reading = asyncio.create_task(self._read(self._process))

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process is not None and self._process.returncode is None

    @property
    def printed(self) -> str:
        """What it has printed so far, the last of it."""
        return self._printed.decode("utf-8", "replace")

    async def ended(self) -> int:
        """Return its exit status once it has ended; a negative one is the signal that did it."""
        assert self._process is not None
        assert self._reading is not None
        status = await self._process.wait()
        with suppress(TimeoutError):  # who inherited its output may live on
            async with asyncio.timeout(1.0):
                await asyncio.shield(self._reading)
        return status

    async def kill(self) -> None:
        """End it and all that it began, and wait for its end; harmless when it has ended."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None
        while chunk := await process.stdout.read(65_536):
            self._printed += chunk
            del self._printed[:-PRINTED_BYTES_MAX]
