"""How is one process of the demonstration started, watched and ended?

Touches processes, their logs, and the ports of loopback.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import EnvironmentFailure

END_S = 25.0
POLL_S = 0.1
LAST_WORDS_BYTES = 2_000  # of a log; a traceback ends with what was wrong


@dataclass(slots=True)
class DemoProcess:
    """One process."""

    name: str
    command: list[str]
    log: Path
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def end(self, *, gently: bool = True) -> None:
        """Stop it; SIGKILL when it must be rough, or when it does not listen."""
        if self.process is None or self.process.returncode is not None:
            return
        if gently:
            self.process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), END_S)
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    @property
    def has_ended(self) -> bool:
        """Whether it was started, and is no more."""
        return self.process is not None and self.process.returncode is not None

    def last_line(self) -> str:
        """Return the last line of its log that says something, empty where none does."""
        said = self.log.read_bytes()[-LAST_WORDS_BYTES:].decode("utf-8", "replace").split("\n")
        return next((line for line in reversed(said) if line.strip()), "")

    def last_words(self) -> str:
        """Return the end of its log: without --keep the file is gone when somebody would look."""
        last, whole = self.last_line(), "see all of its log with: borderscout demo --keep DIR"
        return f"it said last: {last}; {whole}" if last else f"it said nothing; {whole}"

    def check(self) -> None:
        """Raise when it has died by itself."""
        if self.process is not None and self.has_ended:
            raise EnvironmentFailure(
                f"{self.name} ended with status {self.process.returncode}", hint=self.last_words()
            )


async def until(holds: Any, deadline_s: float) -> bool:
    """Return whether an asynchronous condition comes to hold before the deadline."""
    end_s = time.monotonic() + deadline_s
    while not await holds():
        if time.monotonic() > end_s:
            return False
        await asyncio.sleep(POLL_S)
    return True


def free_port() -> int:
    """Return a port of loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
