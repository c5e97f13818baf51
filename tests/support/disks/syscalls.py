"""How does a test let a process's system calls fail, and no other process's?

Touches a running process by ``strace``, which injects errors into the calls that are named. Only
processes that the test started are touched.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.node.processes import Process
from tests.support.waiting import until


class Injection:
    """Errors that are injected into one process."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def count(self) -> int:
        """How many calls were touched so far."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return text.count("(INJECTED)") + text.count("(DELAYED)")

    async def touched(self) -> bool:
        """Return whether any call was touched so far."""
        return self.count > 0


@contextlib.asynccontextmanager
async def injected(pid: int, calls: str, what: str, *, log: Path) -> AsyncIterator[Injection]:
    """Inject into a process and all its threads for the length of a block.

    Args:
        pid: the process.
        calls: names of system calls, joined by commas.
        what: as strace writes it: ``error=EIO:when=3``, ``delay_enter=200000``.
        log: which calls were touched.
    """
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    command: list[str | Path] = [strace, "-f", "-qq", "-o", log, "-e", f"trace={calls}"]
    tracer = Process([*command, "-e", f"inject={calls}:{what}", "-p", str(pid)])
    async with tracer:
        await _attached(pid)
        yield Injection(log)


async def _attached(pid: int) -> None:
    async def look() -> bool:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return all("TracerPid:\t0" not in (task / "status").read_text() for task in tasks)

    await until(look, f"strace holds {pid}", deadline_s=20)
