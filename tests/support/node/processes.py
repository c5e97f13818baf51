"""How does a test run a real process, hear what it says, and be rid of it?

Touches processes. Each one leads a session of its own, is ended by its id, and is always reaped:
whatever it leaves behind in its session goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LINES_KEPT_MAX = 10_000
LINE_BYTES_MAX = 1024 * 1024
LAST_WORDS_S = 5.0  # after the end, for what still stands in the pipe
TAIL_LINES = 30  # of output that an error quotes


class ProcessFailed(AssertionError):
    """A process did not say or do what the test waited for; quotes its last lines."""


class Process:
    """One running process; an asynchronous context manager that ends it.

    Standard output and standard error come as one stream of lines, in ``lines``.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.command = [str(part) for part in command]
        self.lines: deque[str] = deque(maxlen=LINES_KEPT_MAX)
        self._cwd = cwd
        self._env = dict(os.environ) | dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._at_end = False
        self._ended = asyncio.Event()

    @property
    def pid(self) -> int:
        """The process id, also after the end."""
        return self._running().pid

    @property
    def returncode(self) -> int | None:
        """The exit status; the negative signal number after a kill; None while it runs."""
        return self._running().returncode

    async def start(self) -> None:
        """Start the process and the reading of what it says."""
        assert self._process is None
        # Not asyncio's own subprocess: its ``wait`` goes on for as long as a grandchild holds the
        # pipe, which is just what a killed parent of workers leaves behind.
        self._process = subprocess.Popen(
            self.command,
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._watch_end(os.pidfd_open(self._process.pid))
        self._reader = asyncio.create_task(self._read(), name=f"reader of {self.pid}")

    async def wait_for_line(self, pattern: str, *, deadline_s: float = 30.0) -> re.Match[str]:
        """Return the match of the first line, from the beginning on, in which ``pattern`` is found.

        Raises:
            ProcessFailed: the process ended, or the deadline passed, without such a line.
        """
        expression = re.compile(pattern)
        try:
            async with asyncio.timeout(deadline_s), self._news:
                while True:
                    for line in self.lines:
                        if match := expression.search(line):
                            return match
                    if self._at_end:
                        raise ProcessFailed(self._story(f"ended without a line like {pattern!r}"))
                    await self._news.wait()
        except TimeoutError:
            what = f"said no line like {pattern!r} within {deadline_s} s"
            raise ProcessFailed(self._story(what)) from None

    async def says(self, count: int, *, deadline_s: float = 60.0) -> None:
        """Return once the process has said at least so many lines.

        Raises:
            ProcessFailed: it ended, or the deadline passed, before.
        """
        try:
            async with asyncio.timeout(deadline_s), self._news:
                await self._news.wait_for(lambda: len(self.lines) >= count or self._at_end)
        except TimeoutError:
            raise ProcessFailed(self._story(f"did not say {count} lines")) from None
        if len(self.lines) < count:
            raise ProcessFailed(self._story(f"ended before it had said {count} lines"))

    async def wait(self, *, deadline_s: float = 30.0) -> int:
        """Return the exit status once the process has ended.

        Raises:
            ProcessFailed: it runs on after the deadline.
        """
        try:
            async with asyncio.timeout(deadline_s):
                await self._ended.wait()
        except TimeoutError:
            raise ProcessFailed(self._story(f"still ran after {deadline_s} s")) from None
        returncode = self.returncode
        assert returncode is not None
        return returncode

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this process alone; nothing happens when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._running().send_signal(number)

    async def kill(self) -> int:
        """End the process as ``kill -9`` does, and reap it."""
        self.send(signal.SIGKILL)
        return await self.wait()

    async def stop(self, *, deadline_s: float = 20.0) -> int:
        """Ask the process to end (SIGTERM) and return its exit status.

        Raises:
            ProcessFailed: it does not within the deadline.
        """
        self.send(signal.SIGTERM)
        return await self.wait(deadline_s=deadline_s)

    async def close(self) -> None:
        """End the process and all that is left of its session, and reap it."""
        if self._process is None or self._reader is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._ended.wait()
        # Whoever left the session by ``setsid`` may hold the pipe for ever; we do not wait for it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._reader

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the process was not started"
        return self._process

    def _watch_end(self, descriptor: int) -> None:
        loop = asyncio.get_running_loop()

        def ended() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            self._running().wait()  # reaps; it has ended, so this does not block
            self._ended.set()

        loop.add_reader(descriptor, ended)

    async def _read(self) -> None:
        pipe = self._running().stdout
        assert pipe is not None
        stream = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), pipe
        )
        try:
            async for raw in stream:
                async with self._news:
                    self.lines.append(raw.decode("utf-8", "replace").rstrip("\r\n"))
                    self._news.notify_all()
        finally:
            transport.close()
            self._at_end = True
            async with self._news:
                self._news.notify_all()

    def _story(self, what: str) -> str:
        tail = "\n".join(list(self.lines)[-TAIL_LINES:])
        return f"{' '.join(self.command)} {what}; its last lines:\n{tail}"
